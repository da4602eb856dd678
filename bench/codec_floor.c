/* codec_floor CLIP [QUALITY] [FPS]: the least that H.264 to MJPEG can cost, on one thread.
 *
 * Decodes every picture of CLIP with libavcodec, without frame threads, and codes its planes
 * as they are with libjpeg-turbo, raw 4:2:0, the fast DCT. No network, no conversion of the
 * colour range (which a right picture needs), no copy of the result. With FPS it waits between
 * the pictures as a live source does, which is dearer: caches go cold meanwhile.
 *
 * Prints one line of JSON: CPU ms a picture for decoding and coding, and the mean size.
 */
#include <libavcodec/avcodec.h>
#include <libavformat/avformat.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <jpeglib.h>

static double seconds(clockid_t clock) {
    struct timespec t;
    clock_gettime(clock, &t);
    return t.tv_sec + t.tv_nsec / 1e9;
}

static struct jpeg_compress_struct jpeg;
static unsigned char *out;
static unsigned long room = 4 << 20;

static unsigned long encode(const AVFrame *frame, int quality) {
    unsigned long size = room;
    jpeg_mem_dest(&jpeg, &out, &size);
    jpeg.image_width = frame->width, jpeg.image_height = frame->height;
    jpeg.input_components = 3, jpeg.in_color_space = JCS_YCbCr;
    jpeg_set_defaults(&jpeg);
    jpeg_set_quality(&jpeg, quality, TRUE);
    jpeg.raw_data_in = TRUE, jpeg.dct_method = JDCT_FASTEST;
    jpeg.comp_info[0].h_samp_factor = jpeg.comp_info[0].v_samp_factor = 2;
    jpeg_start_compress(&jpeg, TRUE);
    JSAMPROW rows[3][16];
    JSAMPARRAY planes[3] = {rows[0], rows[1], rows[2]};
    while (jpeg.next_scanline < jpeg.image_height) {
        for (int plane = 0; plane < 3; plane++) {
            int high = plane ? (frame->height + 1) / 2 : frame->height, begin = jpeg.next_scanline / (plane ? 2 : 1);
            for (int i = 0; i < (plane ? 8 : 16); i++) {
                int y = begin + i < high ? begin + i : high - 1;
                rows[plane][i] = frame->data[plane] + (size_t)y * frame->linesize[plane];
            }
        }
        jpeg_write_raw_data(&jpeg, planes, 16);
    }
    jpeg_finish_compress(&jpeg);
    return size;
}

int main(int argc, char **argv) {
    if (argc < 2) return fprintf(stderr, "usage: codec_floor CLIP [QUALITY] [FPS]\n"), 2;
    int quality = argc > 2 ? atoi(argv[2]) : 80;
    double fps = argc > 3 ? atof(argv[3]) : 0;
    AVFormatContext *input = NULL;
    if (avformat_open_input(&input, argv[1], NULL, NULL) < 0 || avformat_find_stream_info(input, NULL) < 0) return 2;
    int track = av_find_best_stream(input, AVMEDIA_TYPE_VIDEO, -1, -1, NULL, 0);
    if (track < 0) return 2;
    AVCodecParameters *parameters = input->streams[track]->codecpar;
    const AVCodec *codec = avcodec_find_decoder(parameters->codec_id);
    AVCodecContext *decoder = avcodec_alloc_context3(codec);
    avcodec_parameters_to_context(decoder, parameters);
    decoder->thread_count = 1;
    if (avcodec_open2(decoder, codec, NULL) < 0) return 2;

    struct jpeg_error_mgr errors;
    jpeg.err = jpeg_std_error(&errors);
    jpeg_create_compress(&jpeg);
    out = malloc(room);
    AVPacket *packet = av_packet_alloc();
    AVFrame *frame = av_frame_alloc();
    double decoding = 0, coding = 0, begin = seconds(CLOCK_MONOTONIC), at = seconds(CLOCK_PROCESS_CPUTIME_ID);
    unsigned long long bytes = 0;
    int pictures = 0, over = 0;
    while (!over) {
        over = av_read_frame(input, packet) < 0;
        if (!over && packet->stream_index != track) { av_packet_unref(packet); continue; }
        avcodec_send_packet(decoder, over ? NULL : packet);
        av_packet_unref(packet);
        while (avcodec_receive_frame(decoder, frame) >= 0) {
            if (frame->format != AV_PIX_FMT_YUV420P && frame->format != AV_PIX_FMT_YUVJ420P) return fprintf(stderr, "not 4:2:0\n"), 2;
            double decoded = seconds(CLOCK_PROCESS_CPUTIME_ID);
            decoding += decoded - at;
            bytes += encode(frame, quality);
            pictures++;
            at = seconds(CLOCK_PROCESS_CPUTIME_ID);
            coding += at - decoded;
        }
        double left = fps > 0 ? begin + pictures / fps - seconds(CLOCK_MONOTONIC) : 0;
        if (left > 0) {
            struct timespec wait = {(time_t)left, (long)((left - (time_t)left) * 1e9)};
            nanosleep(&wait, NULL);
        }
    }
    printf("{\"pictures\":%d,\"decode_ms\":%.3f,\"encode_ms\":%.3f,\"bytes\":%.0f}\n", pictures, decoding * 1e3 / pictures,
           coding * 1e3 / pictures, (double)bytes / pictures);
    return 0;
}
