/* load [options] http://127.0.0.1:PORT/PATH: many readers of one MJPEG stream, in one thread.
 *
 *   -c N      clients (1)                       -p PID   server whose CPU time and memory count
 *   -d SEC    what is measured (8)              -s N     the first N clients are slow
 *   -w SEC    before that, after the last       -S BPS   and read so many bytes a second
 *             client was started (2)            -b BYTES SO_RCVBUF of the slow ones (16384; 0: the system's)
 *   -r N      clients started a second (200;    -f       stop when every client has a picture, at -d
 *             0: all at the same moment)                 seconds at the latest
 *
 * Prints one line of JSON. The middle of a picture is thrown away inside the kernel
 * (MSG_TRUNC), so that this program costs little beside the server; looked at are every
 * part's Content-Length, SOI at its begin, EOI at its end, the boundary behind it, and the
 * source's stamp: number one up from the last, or so many missed; age on arrival of the last
 * byte. CPU time is schedstat's, exact to the nanosecond, over all threads alive.
 *
 * Status 1 when something was broken: a torn picture, one out of order, a client refused,
 * closed or left without a picture. Never for a figure.
 */
#include "common.h"
#include <dirent.h>
#include <stdarg.h>

enum { ROOM = 2048, TAIL = 2 };
typedef enum { HEAD, LINES, BODY } state;
typedef struct {
    int fd, slow, asked;
    state state;
    char text[ROOM];
    int have;
    char boundary[80];
    char begin[STAMP];
    int begun;
    char end[TAIL];
    int64_t size, left, last, since, first, tokens, ticked;
    int64_t pictures, bytes, missed, whole;
} client;

typedef struct { double cpu; long rss_kb, peak_kb, switches, threads; } usage;
typedef struct { int *us; size_t n, room; } ages;

static int polling, measuring, pid, receive_buffer = 16384;
static double slow_bps = 150000;
static char request[700];
static struct sockaddr_in server;
static ages age[2];
static long torn, disorder, refused, closed, unstamped;
static char complaint[160];

/* Counts it, and keeps the words of the first. Returns 0. */
__attribute__((format(printf, 2, 3))) static int complain(long *counter, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    if (!complaint[0]) vsnprintf(complaint, sizeof complaint, format, arguments);
    va_end(arguments);
    ++*counter;
    return 0;
}

static long field(const char *text, const char *name) {
    const char *at = strstr(text, name);
    return at ? atol(at + strlen(name)) : 0;
}

static size_t slurp(const char *path, char *to, size_t room) {
    FILE *f = fopen(path, "r");
    size_t n = f ? fread(to, 1, room - 1, f) : 0;
    if (f) fclose(f);
    to[n] = 0;
    return n;
}

static usage measure(void) {
    usage u = {0};
    char path[300], text[8192];
    snprintf(path, sizeof path, "/proc/%d/task", pid);
    DIR *tasks = pid ? opendir(path) : NULL;
    if (!tasks) return u;
    for (struct dirent *task; (task = readdir(tasks));) {
        if (task->d_name[0] == '.') continue;
        snprintf(path, sizeof path, "/proc/%d/task/%s/schedstat", pid, task->d_name);
        if (slurp(path, text, sizeof text)) u.cpu += atof(text) / 1e9;
        snprintf(path, sizeof path, "/proc/%d/task/%s/status", pid, task->d_name);
        slurp(path, text, sizeof text);
        u.switches += field(text, "\nvoluntary_ctxt_switches:");
        u.threads++;
    }
    closedir(tasks);
    snprintf(path, sizeof path, "/proc/%d/status", pid);
    slurp(path, text, sizeof text);
    u.rss_kb = field(text, "VmRSS:"), u.peak_kb = field(text, "VmHWM:");
    return u;
}

static void note_age(ages *a, int64_t us) {
    if (a->n == a->room) a->us = realloc(a->us, (a->room = a->room * 2 + 4096) * sizeof *a->us);
    a->us[a->n++] = us > INT32_MAX ? INT32_MAX : (int)us;
}

static void leave(client *c) {
    close(c->fd);
    c->fd = -1;
}

static void picture(client *c, int64_t now) {
    int64_t number, stamped;
    if (c->size < 4 || memcmp(c->begin, "\xff\xd8", 2) || memcmp(c->end, "\xff\xd9", 2))
        complain(&torn, "a picture of %lld bytes begins %02x%02x and ends %02x%02x", (long long)c->size,
                 (uint8_t)c->begin[0], (uint8_t)c->begin[1], (uint8_t)c->end[0], (uint8_t)c->end[1]);
    if (!c->first) c->first = now;
    c->whole++;
    int known = stamp_read(c->begin, c->begun, &number, &stamped);
    if (known && c->last && number <= c->last)
        complain(&disorder, "picture %lld came after %lld", (long long)number, (long long)c->last);
    if (measuring) {
        c->pictures++;
        if (!known) unstamped++;
        else note_age(&age[c->slow], now - stamped);
        if (known && c->last && number > c->last + 1) c->missed += number - c->last - 1;
    }
    if (known) c->last = number;
}

/* The header lines of a part, or the head of the answer, are whole: `lines` of them. */
static int understand(client *c, char *lines) {
    if (c->state == HEAD) {
        char *boundary = strcasestr(lines, "boundary=");
        if (strncmp(lines, "HTTP/1.", 7) || strncmp(lines + 8, " 200", 4) || !boundary || strcasestr(lines, "chunked"))
            return complain(&refused, "answer: %.60s", lines);
        boundary += 9;
        while (*boundary == '"' || *boundary == '-') boundary++;
        snprintf(c->boundary, sizeof c->boundary, "%.*s", (int)strcspn(boundary, "\"\r\n; "), boundary);
        c->state = LINES;
        return 1;
    }
    char *length = strcasestr(lines, "content-length:"), *dashes = strstr(lines, "--");
    if (!length || !dashes || strncmp(dashes + strspn(dashes, "-"), c->boundary, strlen(c->boundary)))
        return complain(&torn, "between two pictures: %.80s", lines);
    c->size = c->left = atoll(length + 15);
    c->begun = 0;
    c->state = BODY;
    return 1;
}

/* Bytes of the body as far as they go; returns how many. */
static int eat(client *c, const char *from, int n, int64_t now) {
    if (n > c->left) n = c->left;
    for (int i = 0; i < n; i++) {
        if (c->begun < STAMP) c->begin[c->begun++] = from[i];
        if (c->left - i <= TAIL) c->end[TAIL - (c->left - i)] = from[i];
        if (c->begun == STAMP && c->left - i > TAIL) i += c->left - i - TAIL - 1;
    }
    c->left -= n;
    if (!c->left) picture(c, now), c->state = LINES;
    return n;
}

static int parse(client *c, int64_t now) {
    int at = 0;
    while (at < c->have) {
        if (c->state == BODY) {
            at += eat(c, c->text + at, c->have - at, now);
            continue;
        }
        c->text[c->have] = 0;
        char *end = strstr(c->text + at, "\r\n\r\n");
        // The blank line that closes a part's body is not the one that ends its head.
        if (end == c->text + at) end = strstr(end + 2, "\r\n\r\n");
        if (!end) break;
        end[2] = 0;
        if (!understand(c, c->text + at)) return 0;
        at = end + 4 - c->text;
    }
    memmove(c->text, c->text + at, c->have - at);
    c->have -= at;
    if (c->have < ROOM - 1) return 1;
    return complain(&torn, "a head of more than %d bytes", ROOM);
}

static void readable(client *c, int64_t now) {
    for (;;) {
        int64_t want = c->state == BODY && c->begun == STAMP && c->left > TAIL ? c->left - TAIL : 0;
        int64_t room = want ? want : c->state == BODY && c->left <= TAIL ? ROOM - 1 - c->have : 512;
        if (room > ROOM - 1 - c->have && !want) room = ROOM - 1 - c->have;
        if (c->slow) {
            c->tokens += (now - c->ticked) * slow_bps / 1e6, c->ticked = now;
            if (c->tokens > slow_bps / 20) c->tokens = slow_bps / 20;
            if (c->tokens < 1) return;
            if (room > c->tokens) room = c->tokens, want = want ? room : 0;
        }
        ssize_t n = recv(c->fd, want ? NULL : c->text + c->have, room, MSG_DONTWAIT | (want ? MSG_TRUNC : 0));
        if (n < 0 && (errno == EAGAIN || errno == EINTR)) return;
        if (n <= 0) {
            complain(&closed, "closed after %lld pictures", (long long)c->whole);
            return leave(c);
        }
        c->tokens -= n;
        if (measuring) c->bytes += n;
        if (want) c->left -= n;
        else if (c->have += n, !parse(c, now)) return leave(c);
    }
}

static void start(client *c, int64_t now) {
    c->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    c->since = c->ticked = now;
    if (c->slow && receive_buffer) setsockopt(c->fd, SOL_SOCKET, SO_RCVBUF, &receive_buffer, sizeof receive_buffer);
    if (connect(c->fd, (struct sockaddr *)&server, sizeof server) && errno != EINPROGRESS) die("connect");
    watch(polling, EPOLL_CTL_ADD, c->fd, EPOLLOUT, c);
}

static void ready(client *c, int64_t now) {
    if (c->fd < 0) return;
    if (c->asked) return readable(c, now);
    c->asked = 1;
    if (send(c->fd, request, strlen(request), MSG_NOSIGNAL) < 0) {
        complain(&refused, "connect: %s", strerror(errno));
        return leave(c);
    }
    // Slow ones are read by the clock.
    watch(polling, c->slow ? EPOLL_CTL_DEL : EPOLL_CTL_MOD, c->fd, EPOLLIN, c);
}

static int by_value(const void *a, const void *b) {
    double x = *(double *)a, y = *(double *)b;
    return (x > y) - (x < y);
}

static int by_int(const void *a, const void *b) { return (*(int *)a > *(int *)b) - (*(int *)a < *(int *)b); }

static double part(const double *sorted, int n, double p) { return n ? sorted[(int)(p * (n - 1) + 0.5)] : -1; }

static void print_ages(const char *name, ages *a) {
    if (a->n) qsort(a->us, a->n, sizeof *a->us, by_int);
#define AT(p) (a->n ? a->us[(size_t)((p) * (a->n - 1) + 0.5)] / 1e3 : -1)
    printf("\"%s_ms\":{\"p50\":%.3f,\"p90\":%.3f,\"p99\":%.3f,\"max\":%.3f},", name, AT(.5), AT(.9), AT(.99), AT(1));
}

int main(int argc, char **argv) {
    int n = 1, slow = 0, until_first = 0, option;
    double seconds = 8, warm = 2, rate = 200;
    char path[512];
    while ((option = getopt(argc, argv, "c:d:w:r:p:s:S:b:f")) != -1) switch (option) {
        case 'c': n = atoi(optarg); break;
        case 'd': seconds = atof(optarg); break;
        case 'w': warm = atof(optarg); break;
        case 'r': rate = atof(optarg); break;
        case 'p': pid = atoi(optarg); break;
        case 's': slow = atoi(optarg); break;
        case 'S': slow_bps = atof(optarg); break;
        case 'b': receive_buffer = atoi(optarg); break;
        case 'f': until_first = 1; break;
        default: return 2;
    }
    if (optind + 1 != argc || n < 1) return fprintf(stderr, "usage: load [options] URL; see load.c\n"), 2;
    prepare();
    server = loopback(parse_url(argv[optind], path));
    snprintf(request, sizeof request, "GET %s HTTP/1.1\r\nHost: 127.0.0.1\r\nUser-Agent: bench\r\n\r\n", path);
    polling = epoll_create1(0);
    client *clients = calloc(n, sizeof *clients);
    for (int i = 0; i < n; i++) clients[i].fd = -1, clients[i].slow = i < slow;

    int64_t zero = now_us(), begin = 0, end = zero + (int64_t)(seconds * 1e6);
    int started = 0;
    usage before = {0}, after;
    struct rusage mine, ours;
    for (;;) {
        int64_t now = now_us();
        while (started < n && (rate <= 0 || (now - zero) * rate / 1e6 >= started)) start(&clients[started++], now);
        if (started == n && !begin && !until_first) begin = now + (int64_t)(warm * 1e6);
        if (!until_first && begin && !measuring && now >= begin) {
            measuring = 1, begin = now, end = now + (int64_t)(seconds * 1e6);
            getrusage(RUSAGE_SELF, &ours);
            before = measure();
        }
        if ((measuring || until_first) && now >= end) break;
        if (until_first && started == n) {
            int waiting = 0;
            for (int i = 0; i < n && !waiting; i++) waiting = clients[i].fd >= 0 && !clients[i].first;
            if (!waiting) break;
        }
        struct epoll_event events[512];
        int k = epoll_wait(polling, events, 512, slow || started < n ? 2 : 20);
        for (int i = 0; i < k; i++) ready(events[i].data.ptr, now_us());
        for (int i = 0; i < slow; i++) if (clients[i].fd >= 0 && clients[i].asked) readable(&clients[i], now_us());
    }
    after = measure();
    getrusage(RUSAGE_SELF, &mine);

    double window = (now_us() - (until_first ? zero : begin)) / 1e6, *fps = calloc(n, sizeof *fps), *first = calloc(n, sizeof *first);
    int healthy = 0, seen = 0, empty = 0;
    long long pictures = 0, bytes = 0, missed = 0, slow_pictures = 0, slow_missed = 0;
    for (int i = 0; i < n; i++) {
        client *c = &clients[i];
        bytes += c->bytes;
        if (c->first) first[seen++] = (c->first - c->since) / 1e3;
        else empty++;
        if (c->slow) slow_pictures += c->pictures, slow_missed += c->missed;
        else pictures += c->pictures, missed += c->missed, fps[healthy++] = c->pictures / window;
    }
    qsort(fps, healthy, sizeof *fps, by_value);
    qsort(first, seen, sizeof *first, by_value);
    double cpu = after.cpu - before.cpu;
#define SECONDS(r) ((r).ru_utime.tv_sec + (r).ru_stime.tv_sec + ((r).ru_utime.tv_usec + (r).ru_stime.tv_usec) / 1e6)
    printf("{\"clients\":%d,\"slow\":%d,\"window_s\":%.3f,\"pictures\":%lld,\"bytes\":%lld,\"missed\":%lld,", n, slow, window, pictures, bytes, missed);
    printf("\"fps_min\":%.2f,\"fps_median\":%.2f,", part(fps, healthy, 0), part(fps, healthy, .5));
    printf("\"first_ms\":{\"p50\":%.2f,\"p99\":%.2f,\"max\":%.2f},", part(first, seen, .5), part(first, seen, .99), part(first, seen, 1));
    print_ages("age", &age[0]);
    if (slow) printf("\"slow_pictures\":%lld,\"slow_missed\":%lld,", slow_pictures, slow_missed), print_ages("slow_age", &age[1]);
    printf("\"cpu_s\":%.4f,\"ms_per_mb\":%.4f,\"us_per_picture\":%.2f,\"switches\":%ld,\"threads\":%ld,\"rss_kb\":%ld,\"peak_kb\":%ld,",
           cpu, bytes ? cpu * 1e9 / bytes : 0, pictures ? cpu * 1e6 / (pictures + slow_pictures) : 0,
           after.switches - before.switches, after.threads, after.rss_kb, after.peak_kb);
    printf("\"load_cpu_s\":%.3f,\"unstamped\":%ld,\"torn\":%ld,\"disorder\":%ld,\"refused\":%ld,\"closed\":%ld,\"empty\":%d,\"complaint\":\"",
           measuring ? SECONDS(mine) - SECONDS(ours) : 0, unstamped, torn, disorder, refused, closed, empty);
    for (char *p = complaint; *p; p++) putchar(*p == '"' || *p == '\\' || *p < ' ' ? '.' : *p);
    printf("\"}\n");
    return torn || disorder || refused || closed || empty ? 1 : 0;
}
