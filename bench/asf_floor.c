/* asf_floor FILE [SECONDS]: how fast libavformat takes an ASF file apart, on one core.
 *
 * av_read_frame to the end, again and again for SECONDS each: once with the file in memory,
 * read through an AVIOContext without system calls, and once from the file as anybody would.
 * The fastest round counts, by the time that the thread had a processor and from the first
 * packet on: opening is not in the figure. libavformat neither parses nor fills in times,
 * which is the least it can do.
 *
 * Prints one line of JSON: GB/s of data packets, and how many packets libavformat made.
 */
#include <libavformat/avformat.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static unsigned char *file;
static int64_t size, at;

static int more(void *opaque, uint8_t *to, int room) {
    (void)opaque;
    int64_t left = size - at;
    if (left <= 0) return AVERROR_EOF;
    int length = left < room ? (int)left : room;
    memcpy(to, file + at, length);
    at += length;
    return length;
}

static int64_t seek(void *opaque, int64_t to, int whence) {
    (void)opaque;
    if (whence == AVSEEK_SIZE) return size;
    at = whence == SEEK_CUR ? at + to : whence == SEEK_END ? size + to : to;
    return at;
}

static double seconds(clockid_t clock) {
    struct timespec t;
    clock_gettime(clock, &t);
    return t.tv_sec + t.tv_nsec / 1e9;
}

/* One round, from memory where there is no path; its seconds. */
static double demux(const char *path, long *packets, int64_t *bytes) {
    AVIOContext *memory = NULL;
    AVFormatContext *input = avformat_alloc_context();
    at = 0;
    if (!path) input->pb = memory = avio_alloc_context(av_malloc(1 << 16), 1 << 16, 0, NULL, more, NULL, seek);
    input->flags |= AVFMT_FLAG_NOPARSE | AVFMT_FLAG_NOFILLIN;
    if (avformat_open_input(&input, path, NULL, NULL) < 0) exit(2);
    *bytes = size - avio_tell(input->pb);
    AVPacket *packet = av_packet_alloc();
    double begin = seconds(CLOCK_THREAD_CPUTIME_ID);
    for (*packets = 0; av_read_frame(input, packet) >= 0; ++*packets) av_packet_unref(packet);
    double took = seconds(CLOCK_THREAD_CPUTIME_ID) - begin;
    av_packet_free(&packet);
    avformat_close_input(&input);
    if (memory) av_freep(&memory->buffer);
    avio_context_free(&memory);
    return took;
}

static double best(const char *path, double time, long *packets) {
    double begin = seconds(CLOCK_MONOTONIC), least = 1e9;
    int64_t bytes = 0;
    do {
        double took = demux(path, packets, &bytes);
        if (took < least) least = took;
    } while (seconds(CLOCK_MONOTONIC) - begin < time);
    return bytes / least / 1e9;
}

int main(int argc, char **argv) {
    if (argc < 2) return fprintf(stderr, "usage: asf_floor FILE [SECONDS]\n"), 2;
    double time = argc > 2 ? atof(argv[2]) : 1;
    FILE *f = fopen(argv[1], "rb");
    if (!f) return perror(argv[1]), 2;
    fseek(f, 0, SEEK_END);
    size = ftell(f);
    rewind(f);
    file = malloc(size);
    if (!file || fread(file, 1, size, f) != (size_t)size) return perror(argv[1]), 2;
    fclose(f);
    av_log_set_level(AV_LOG_ERROR);
    long packets = 0;
    double memory = best(NULL, time, &packets), path = best(argv[1], time, &packets);
    printf("{\"memory\": %.3f, \"file\": %.3f, \"packets\": %ld}\n", memory, path, packets);
    return 0;
}
