/* rtsp_source PORT CLIP.h264 [FPS]: cameras by the hundred that send numbered H.264 by RTSP.
 *
 * Each connection is a camera of its own, with a place of its own between two pictures, over TCP
 * or UDP as its SETUP says. The packets are made once, interleaved; what is done per picture is
 * to write numbers and times into them and one system call, so that two hundred cameras leave
 * the machine to those who read. Each access unit begins with an SEI message whose text is
 * "hw-number:" and its number in eight digits, which rises by one a picture and camera: what is
 * missing among them was lost. A picture that a client has no room for is left out whole, with its
 * numbers. On SIGTERM one line of JSON says what was sent.
 */
#include "common.h"
#include <fcntl.h>

enum { MOST_CLIENTS = 1024, PAYLOAD = 1400, DIGITS = 8 };
/* Of one picture: packets one after the other, each behind its four bytes of framing. */
typedef struct { char *data; size_t size; int packets; int *at; int number_at; } unit;
typedef struct { char *data; int size; } nal;
typedef struct {
    int fd, udp, playing;
    unsigned number;
    uint16_t sequence;
    int64_t due;
    char request[8192];
    size_t have;
    /* What the socket did not take of a picture. */
    char *rest;
    size_t rest_size;
} client;

static unit *units;
static int unit_count;
static nal sps, pps;
static client *clients[MOST_CLIENTS];
static int client_count, polling;
static volatile sig_atomic_t over;
static long long sent_pictures, skipped_pictures, sent_bytes, latest_us;

static void put(unit *u, const char *begin, int begin_size, const char *data, int size, int last) {
    int rtp = 12 + begin_size + size;
    u->data = realloc(u->data, u->size + 4 + rtp);
    u->at = realloc(u->at, (u->packets + 1) * sizeof *u->at);
    u->at[u->packets++] = u->size;
    char *p = u->data + u->size;
    memcpy(p, (char[]){'$', 0, rtp >> 8, rtp & 255, 0x80, 96 | (last ? 0x80 : 0), 0, 0, 0, 0, 0, 0, 0, 0, 0, 1}, 16);
    memcpy(p + 16, begin, begin_size);
    memcpy(p + 16 + begin_size, data, size);
    u->size += 4 + rtp;
}

/* RFC 6184: a NAL unit of its own, or FU-A. */
static void put_nal(unit *u, nal n, int last) {
    if (n.size <= PAYLOAD) return put(u, "", 0, n.data, n.size, last);
    for (int at = 1; at < n.size; at += PAYLOAD) {
        int size = n.size - at < PAYLOAD ? n.size - at : PAYLOAD, end = at + size == n.size;
        char head[] = {(n.data[0] & 0xe0) | 28, (at == 1 ? 0x80 : 0) | (end ? 0x40 : 0) | (n.data[0] & 31)};
        put(u, head, 2, n.data + at, size, last && end);
    }
}

static void put_number(unit *u) {
    /* User data, unregistered (H.264 D.2.7). */
    static const char head[] = "\6\5\x22hw-bench-number-hw-number:00000000\x80";
    put(u, "", 0, head, sizeof head - 1, 0);
    u->number_at = u->size - 1 - DIGITS;
}

static void load(const char *path) {
    long size;
    char *all = contents(path, &size);
    nal list[4096];
    int count = 0;
    for (char *at = memmem(all, size, "\0\0\1", 3); at && count < 4096;) {
        char *begin = at + 3, *next = memmem(begin, all + size - begin, "\0\0\1", 3), *end = next ? next : all + size;
        while (end > begin && !end[-1]) end--;
        list[count++] = (nal){begin, end - begin};
        at = next;
    }
    for (int i = 0, first = 0, slices = 0; i <= count; i++) {
        int kind = i < count ? list[i].data[0] & 31 : 9;
        int is_slice = kind == 1 || kind == 5, begins = is_slice ? (list[i].data[1] & 0x80) != 0 : kind > 5;
        if (kind == 7 && !sps.data) sps = list[i];
        if (kind == 8 && !pps.data) pps = list[i];
        if (begins && slices) {
            units = realloc(units, (unit_count + 1) * sizeof *units);
            unit *u = &units[unit_count++];
            memset(u, 0, sizeof *u);
            put_number(u);
            for (int j = first; j < i; j++)
                if ((list[j].data[0] & 31) != 9) put_nal(u, list[j], j == i - 1);
            first = i, slices = 0;
        }
        slices += is_slice;
    }
    if (!unit_count || !sps.data || !pps.data) fprintf(stderr, "%s: no H.264 in Annex B\n", path), exit(2);
}

static void encode64(nal n, char *to) {
    static const char table[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for (int at = 0; at < n.size; at += 3) {
        uint32_t v = 0;
        for (int k = 0; k < 3; k++) v = v << 8 | (at + k < n.size ? (uint8_t)n.data[at + k] : 0);
        for (int k = 0; k < 4; k++) *to++ = at + k > n.size ? '=' : table[v >> (18 - 6 * k) & 63];
    }
    *to = 0;
}

static void leave(int place) {
    client *c = clients[place];
    close(c->fd);
    if (c->udp) close(c->udp);
    free(c->rest);
    free(c);
    clients[place] = clients[--client_count];
}

static int open_udp(int to) {
    struct sockaddr_in any = loopback(0), peer = loopback(to);
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0), room = 4 << 20;
    setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &room, sizeof room);
    if (bind(fd, (struct sockaddr *)&any, sizeof any) || connect(fd, (struct sockaddr *)&peer, sizeof peer)) die("udp");
    return fd;
}

static void answer(client *c, char *head) {
    static int phase;
    char lines[2048] = "", body[2048] = "", out[5000], *number = strcasestr(head, "\r\ncseq:");
    if (!strncmp(head, "OPTIONS", 7)) {
        strcpy(lines, "Public: OPTIONS, DESCRIBE, SETUP, PLAY, GET_PARAMETER, TEARDOWN\r\n");
    } else if (!strncmp(head, "DESCRIBE", 8)) {
        char a[512], b[512];
        encode64(sps, a), encode64(pps, b);
        sprintf(body, "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=bench\r\nc=IN IP4 0.0.0.0\r\nt=0 0\r\na=control:*\r\n"
            "m=video 0 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\na=control:track1\r\n"
            "a=fmtp:96 packetization-mode=1;sprop-parameter-sets=%s,%s\r\n", a, b);
        sprintf(lines, "Content-Type: application/sdp\r\nContent-Length: %zu\r\n", strlen(body));
    } else if (!strncmp(head, "SETUP", 5)) {
        char *ports = strcasestr(head, "client_port=");
        if (ports) {
            struct sockaddr_in here;
            socklen_t size = sizeof here;
            c->udp = open_udp(atoi(ports + 12));
            getsockname(c->udp, (struct sockaddr *)&here, &size);
            int mine = ntohs(here.sin_port), theirs = atoi(ports + 12);
            sprintf(lines, "Session: 1;timeout=60\r\nTransport: RTP/AVP;unicast;client_port=%d-%d;server_port=%d-%d\r\n",
                theirs, theirs + 1, mine, mine + 1);
        } else {
            strcpy(lines, "Session: 1;timeout=60\r\nTransport: RTP/AVP/TCP;unicast;interleaved=0-1\r\n");
        }
    } else {
        strcpy(lines, "Session: 1\r\n");
    }
    int n = sprintf(out, "RTSP/1.0 200 OK\r\nCSeq: %d\r\n%s\r\n%s", number ? atoi(number + 7) : 0, lines, body);
    if (send(c->fd, out, n, 0) != n) return;
    if (!strncmp(head, "PLAY", 4)) {
        c->playing = 1;
        /* Cameras are not at the same place of their clips. */
        c->number = 0;
        c->due = now_us() + phase++ % 40 * 1000;
    }
}

/* What a client says, RTCP left out; 0 when it is gone. */
static int hear(client *c) {
    for (;;) {
        ssize_t n = recv(c->fd, c->request + c->have, sizeof c->request - 1 - c->have, 0);
        if (n < 0 && errno == EAGAIN) return 1;
        if (n <= 0) return 0;
        c->request[c->have += n] = 0;
        for (;;) {
            size_t used = 0;
            if (c->have >= 4 && c->request[0] == '$') {
                used = 4 + ((uint8_t)c->request[2] << 8 | (uint8_t)c->request[3]);
                if (used > c->have) break;
            } else {
                char *end = strstr(c->request, "\r\n\r\n");
                if (!end) break;
                used = end + 4 - c->request;
                end[2] = 0;
                answer(c, c->request);
            }
            memmove(c->request, c->request + used, c->have -= used);
            c->request[c->have] = 0;
        }
        if (c->have == sizeof c->request - 1) return 0;
    }
}

static void stamp(unit *u, client *c, double fps) {
    char digits[16];
    snprintf(digits, sizeof digits, "%08u", c->number % 100000000);
    memcpy(u->data + u->number_at, digits, DIGITS);
    uint32_t time = htonl((uint32_t)(c->number * 90000.0 / fps));
    for (int i = 0; i < u->packets; i++) {
        uint16_t sequence = htons(c->sequence++);
        memcpy(u->data + u->at[i] + 6, &sequence, 2);
        memcpy(u->data + u->at[i] + 8, &time, 4);
    }
}

/* One picture; 0 when the client is gone. */
static int film(client *c, double fps) {
    unit *u = &units[c->number % unit_count];
    stamp(u, c, fps);
    c->number++;
    if (c->udp) {
        struct mmsghdr messages[512] = {0};
        struct iovec parts[512];
        int n = u->packets < 512 ? u->packets : 512;
        for (int i = 0; i < n; i++) {
            size_t end = i + 1 < u->packets ? (size_t)u->at[i + 1] : u->size;
            parts[i] = (struct iovec){u->data + u->at[i] + 4, end - u->at[i] - 4};
            messages[i].msg_hdr = (struct msghdr){.msg_iov = &parts[i], .msg_iovlen = 1};
        }
        for (int at = 0; at < n;) {
            int done = sendmmsg(c->udp, messages + at, n - at, 0);
            if (done < 0 && errno == ECONNREFUSED) continue;
            if (done <= 0) break;
            at += done;
        }
        sent_pictures++, sent_bytes += u->size - 4 * u->packets;
        return 1;
    }
    if (c->rest_size) {
        skipped_pictures++;
        return 1;
    }
    ssize_t n = send(c->fd, u->data, u->size, MSG_NOSIGNAL);
    if (n < 0 && errno == EAGAIN) {
        skipped_pictures++;
        return 1;
    }
    if (n < 0) return 0;
    sent_pictures++, sent_bytes += u->size;
    if ((size_t)n < u->size) {
        c->rest_size = u->size - n;
        c->rest = realloc(c->rest, c->rest_size);
        memcpy(c->rest, u->data + n, c->rest_size);
        watch(polling, EPOLL_CTL_MOD, c->fd, EPOLLIN | EPOLLOUT, c);
    }
    return 1;
}

static int go_on(client *c) {
    ssize_t n = send(c->fd, c->rest, c->rest_size, MSG_NOSIGNAL);
    if (n < 0) return errno == EAGAIN;
    memmove(c->rest, c->rest + n, c->rest_size -= n);
    if (!c->rest_size) watch(polling, EPOLL_CTL_MOD, c->fd, EPOLLIN, c);
    return 1;
}

static void end(int signal) {
    (void)signal;
    over = 1;
}

int main(int argc, char **argv) {
    if (argc < 3) return fprintf(stderr, "usage: rtsp_source PORT CLIP.h264 [FPS]\n"), 2;
    double fps = argc > 3 ? atof(argv[3]) : 25;
    prepare();
    load(argv[2]);
    struct sigaction on_end = {.sa_handler = end};
    sigaction(SIGTERM, &on_end, NULL);
    int listener = listen_on(atoi(argv[1])), one = 1;
    polling = epoll_create1(0);
    watch(polling, EPOLL_CTL_ADD, listener, EPOLLIN, NULL);
    while (!over) {
        int64_t now = now_us(), next = now + 1000000;
        for (int i = client_count - 1; i >= 0; i--) {
            client *c = clients[i];
            if (!c->playing) continue;
            int alive = 1;
            while (alive && c->due <= now) {
                if (now - c->due > latest_us) latest_us = now - c->due;
                alive = film(c, fps);
                c->due += (int64_t)(1e6 / fps);
            }
            if (!alive) leave(i);
            else if (c->due < next) next = c->due;
        }
        int64_t left = next - now_us();
        struct timespec wait = {left > 0 ? left / 1000000 : 0, left > 0 ? left % 1000000 * 1000 : 0};
        struct epoll_event events[64];
        int k = epoll_pwait2(polling, events, 64, &wait, NULL);
        for (int i = 0; i < k; i++) {
            client *c = events[i].data.ptr;
            if (!c) {
                int fd;
                while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK)) >= 0) {
                    if (client_count == MOST_CLIENTS) { close(fd); continue; }
                    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
                    c = calloc(1, sizeof *c);
                    c->fd = fd;
                    clients[client_count++] = c;
                    watch(polling, EPOLL_CTL_ADD, fd, EPOLLIN, c);
                }
                continue;
            }
            int alive = !(events[i].events & EPOLLOUT) || go_on(c);
            if (alive && events[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR)) alive = hear(c);
            if (alive) continue;
            for (int at = 0; at < client_count; at++)
                if (clients[at] == c) { leave(at); break; }
        }
    }
    printf("{\"pictures\": %lld, \"skipped\": %lld, \"bytes\": %lld, \"latest_ms\": %.1f}\n",
        sent_pictures, skipped_pictures, sent_bytes, latest_us / 1e3);
}
