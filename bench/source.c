/* source PORT PICTURES.mjpeg [FPS]: a camera that sends numbered, stamped JPEGs over HTTP.
 *
 * PICTURES.mjpeg holds JPEGs one after the other; they go round for ever at exactly FPS (25),
 * to every client that asks for whatever path, as multipart/x-mixed-replace with a length in
 * each part. A new client gets the next picture, as from a camera, not the last one. A client
 * that does not take a picture within a second is cut off; one that is only late is waited
 * for, which shows as age, since a picture is stamped before its first byte is sent.
 */
#include "common.h"

enum { MOST = 64 };
typedef struct { char *data; size_t size; } picture;

static picture *pictures;
static int count;

static void load(const char *path) {
    long size;
    char *all = contents(path, &size);
    for (char *begin = all, *end; begin < all + size; begin = end) {
        end = memmem(begin + 2, all + size - begin - 2, "\xff\xd9\xff\xd8", 4);
        end = end ? end + 2 : all + size;
        pictures = realloc(pictures, (count + 1) * sizeof *pictures);
        pictures[count++] = (picture){begin + 2, end - begin - 2};
    }
}

static int send_whole(int fd, struct iovec *parts, int n) {
    while (n > 0) {
        struct msghdr m = {.msg_iov = parts, .msg_iovlen = n};
        ssize_t sent = sendmsg(fd, &m, MSG_NOSIGNAL);
        if (sent < 0 && errno == EAGAIN) {
            struct pollfd writable = {fd, POLLOUT, 0};
            if (poll(&writable, 1, 1000) == 1) continue;
        }
        if (sent < 0) return 0;
        for (; n > 0 && (size_t)sent >= parts->iov_len; parts++, n--) sent -= parts->iov_len;
        if (n > 0) parts->iov_base = (char *)parts->iov_base + sent, parts->iov_len -= sent;
    }
    return 1;
}

int main(int argc, char **argv) {
    if (argc < 3) return fprintf(stderr, "usage: source PORT PICTURES.mjpeg [FPS]\n"), 2;
    double fps = argc > 3 ? atof(argv[3]) : 25;
    prepare();
    load(argv[2]);
    int clients[MOST], greeted[MOST], n = 0, one = 1;
    int listener = listen_on(atoi(argv[1])), polling = epoll_create1(0);
    watch(polling, EPOLL_CTL_ADD, listener, EPOLLIN, NULL);
    int64_t begin = now_us(), number = 0;
    for (;;) {
        int64_t due = begin + (int64_t)(number * 1e6 / fps), left = due - now_us();
        if (left > 0) {
            struct epoll_event events[16];
            struct timespec wait = {left / 1000000, left % 1000000 * 1000};
            int k = epoll_pwait2(polling, events, 16, &wait, NULL);
            for (int i = 0; i < k; i++) {
                if (!events[i].data.ptr) {
                    int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK);
                    if (fd < 0 || n == MOST) { if (fd >= 0) close(fd); continue; }
                    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
                    clients[n] = fd, greeted[n++] = 0;
                    watch(polling, EPOLL_CTL_ADD, fd, EPOLLIN, (void *)(intptr_t)fd);
                    continue;
                }
                char request[4096];
                int fd = (int)(intptr_t)events[i].data.ptr, at = 0;
                while (at < n && clients[at] != fd) at++;
                if (at == n) continue;
                ssize_t got = recv(fd, request, sizeof request, 0);
                if (got == 0 || (got < 0 && errno != EAGAIN)) {
                    close(fd);
                    clients[at] = clients[--n], greeted[at] = greeted[n];
                } else if (!greeted[at]) {
                    static const char head[] = "HTTP/1.0 200 OK\r\nCache-Control: no-cache\r\n"
                        "Content-Type: multipart/x-mixed-replace;boundary=picture\r\n\r\n--picture\r\n";
                    greeted[at] = send(fd, head, sizeof head - 1, 0) > 0;
                }
            }
            continue;
        }
        picture *p = &pictures[number++ % count];
        for (int i = 0; i < n; i++) {
            if (!greeted[i]) continue;
            char head[256];
            int h = sprintf(head, "Content-Type: image/jpeg\r\nContent-Length: %zu\r\n\r\n", p->size + STAMP);
            stamp_write(head + h, number, now_us());
            struct iovec parts[] = {{head, h + STAMP}, {p->data, p->size}, {"\r\n--picture\r\n", 13}};
            if (send_whole(clients[i], parts, 3)) continue;
            fprintf(stderr, "source: a client did not take picture %lld whole\n", (long long)number);
            close(clients[i]);
            clients[i] = clients[--n], greeted[i] = greeted[n], i--;
        }
    }
}
