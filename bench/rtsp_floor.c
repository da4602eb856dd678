/* rtsp_floor PORT SOURCES SECONDS [udp]: the least that taking RTSP in can cost.
 *
 * One thread says what has to be said to each camera, and from then on reads its sockets and
 * throws away what it read: no framing, no packets put together, nobody who reads along. After
 * two seconds it measures for SECONDS, and prints its CPU time and bytes as JSON.
 */
#include "common.h"

static int connect_to(int port) {
    struct sockaddr_in there = loopback(port);
    int fd = socket(AF_INET, SOCK_STREAM, 0), one = 1;
    if (connect(fd, (struct sockaddr *)&there, sizeof there)) die("connect");
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    return fd;
}

/* Heads and bodies are small and come in one piece here. */
static void ask(int fd, int port, const char *method, const char *track, const char *more) {
    char text[1024];
    int n = sprintf(text, "%s rtsp://127.0.0.1:%d/x/%s RTSP/1.0\r\nCSeq: 1\r\n%s\r\n", method, port, track, more);
    if (write(fd, text, n) != n || read(fd, text, sizeof text) <= 0) die(method);
}

static int open_udp(int *port) {
    for (;;) {
        struct sockaddr_in here = loopback(0);
        socklen_t size = sizeof here;
        int fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0), room = 4 << 20;
        setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &room, sizeof room);
        if (bind(fd, (struct sockaddr *)&here, sizeof here)) die("bind");
        getsockname(fd, (struct sockaddr *)&here, &size);
        *port = ntohs(here.sin_port);
        if (*port % 2 == 0) return fd;
        close(fd);
    }
}

static double cpu_ms(void) {
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return t.tv_sec * 1e3 + t.tv_nsec / 1e6;
}

int main(int argc, char **argv) {
    enum { BATCH = 64, ROOM = 2048 };
    static char buffer[BATCH * ROOM];
    if (argc < 4) return fprintf(stderr, "usage: rtsp_floor PORT SOURCES SECONDS [udp]\n"), 2;
    int port = atoi(argv[1]), sources = atoi(argv[2]), udp = argc > 4, polling = epoll_create1(0);
    double seconds = atof(argv[3]), begin_cpu = 0;
    long long bytes = 0, begin_bytes = 0;
    prepare();
    for (int i = 0; i < sources; i++) {
        int fd = connect_to(port), ear = fd, mine;
        char transport[128] = "Transport: RTP/AVP/TCP;unicast;interleaved=0-1\r\n";
        if (udp) {
            ear = open_udp(&mine);
            sprintf(transport, "Transport: RTP/AVP;unicast;client_port=%d-%d\r\n", mine, mine + 1);
        }
        ask(fd, port, "DESCRIBE", "", "Accept: application/sdp\r\n");
        ask(fd, port, "SETUP", "track1", transport);
        ask(fd, port, "PLAY", "", "Session: 1\r\n");
        watch(polling, EPOLL_CTL_ADD, ear, EPOLLIN, (void *)(intptr_t)ear);
    }
    struct mmsghdr messages[BATCH];
    struct iovec parts[BATCH];
    for (int i = 0; i < BATCH; i++) {
        parts[i] = (struct iovec){buffer + i * ROOM, ROOM};
        messages[i] = (struct mmsghdr){.msg_hdr = {.msg_iov = &parts[i], .msg_iovlen = 1}};
    }
    int64_t begin = now_us() + 2000000, end = begin + (int64_t)(seconds * 1e6);
    for (int measuring = 0;;) {
        struct epoll_event events[256];
        int k = epoll_wait(polling, events, 256, 100);
        for (int i = 0; i < k; i++) {
            int fd = (int)(intptr_t)events[i].data.ptr;
            if (!udp) {
                ssize_t n = recv(fd, buffer, sizeof buffer, MSG_DONTWAIT);
                if (n == 0) return fprintf(stderr, "rtsp_floor: a camera hung up\n"), 2;
                if (n > 0) bytes += n;
                continue;
            }
            int n = recvmmsg(fd, messages, BATCH, MSG_DONTWAIT, NULL);
            for (int j = 0; j < n; j++) bytes += messages[j].msg_len;
        }
        int64_t now = now_us();
        if (!measuring && now >= begin) measuring = 1, begin_cpu = cpu_ms(), begin_bytes = bytes, begin = now;
        if (now < end) continue;
        printf("{\"cpu_ms\": %.1f, \"mbit\": %.2f, \"seconds\": %.3f}\n", cpu_ms() - begin_cpu,
            (bytes - begin_bytes) * 8e-6, (now - begin) / 1e6);
        return 0;
    }
}
