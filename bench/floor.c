/* floor PORT http://127.0.0.1:PORT/PATH [UNSENT]: the least that a relay of MJPEG can do.
 *
 * One thread reads the source over HTTP, as ours does, and sends each picture with one
 * sendmsg per client from one copy. No parsing beyond Content-Length, no times, no limits,
 * no reconnect: its CPU time is what the kernel takes for the copies, so a real relay's
 * figure is to be read against it. A new client gets the present picture at once; a client
 * that is behind gets the newest next. UNSENT sets TCP_NOTSENT_LOWAT, as ours does.
 */
#include "common.h"
#include <malloc.h>

typedef struct { int refs, head; size_t size; char *data; } picture;
typedef struct client {
    int fd, asked, waiting;
    picture *sending;
    size_t sent;
    int64_t had;
    struct client *next, **link;
} client;

static int poll_fd;
static picture *newest;
static int64_t number;
static client *clients;

static void release(picture *p) {
    if (p && --p->refs == 0) free(p->data), free(p);
}

static void leave(client *c) {
    *c->link = c->next;
    if (c->next) c->next->link = c->link;
    close(c->fd);
    release(c->sending);
    free(c);
}

static void wait_writable(client *c, int yes) {
    if (c->waiting == yes) return;
    c->waiting = yes;
    watch(poll_fd, EPOLL_CTL_MOD, c->fd, EPOLLIN | (yes ? EPOLLOUT : 0), c);
}

/* Sends what the client can take; 0 when it is gone. */
static int push(client *c) {
    for (;;) {
        if (!c->sending) {
            if (!newest || c->had == number) return wait_writable(c, 0), 1;
            c->sending = newest, newest->refs++, c->had = number, c->sent = 0;
        }
        picture *p = c->sending;
        struct iovec part = {p->data + c->sent, p->size - c->sent};
        struct msghdr m = {.msg_iov = &part, .msg_iovlen = 1};
        ssize_t n = sendmsg(c->fd, &m, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (n < 0 && errno == EAGAIN) return wait_writable(c, 1), 1;
        if (n < 0) return 0;
        if ((c->sent += n) < p->size) return wait_writable(c, 1), 1;
        release(p);
        c->sending = NULL;
    }
}

static void publish(picture *p) {
    release(newest);
    newest = p, number++;
    for (client *c = clients, *next; c; c = next) {
        next = c->next;
        if (c->asked && !c->sending && !push(c)) leave(c);
    }
}

static void answer(client *c) {
    char request[4096];
    ssize_t n = recv(c->fd, request, sizeof request, MSG_DONTWAIT);
    if (n == 0 || (n < 0 && errno != EAGAIN)) return leave(c);
    if (c->asked || n < 0) return;
    static const char head[] = "HTTP/1.0 200 OK\r\nCache-Control: no-store\r\n"
        "Content-Type: multipart/x-mixed-replace;boundary=floor\r\n\r\n--floor\r\n";
    c->asked = 1;
    if (send(c->fd, head, sizeof head - 1, MSG_NOSIGNAL) < 0 || !push(c)) leave(c);
}

/* The source's bytes: header lines up to a blank one, then as many bytes as they say. */
static void take(int source) {
    static char head[8192];
    static size_t have;
    static picture *p;
    static size_t got;
    for (;;) {
        if (!p) {
            ssize_t n = recv(source, head + have, sizeof head - 1 - have, MSG_DONTWAIT);
            if (n == 0) exit(0);
            if (n < 0) return;
            head[have += n] = 0;
        parse:;
            char *length = strcasestr(head, "content-length:"), *end = length ? strstr(length, "\r\n\r\n") : NULL;
            if (!end) continue;
            size_t size = atoll(length + 15);
            p = calloc(1, sizeof *p);
            p->data = malloc(size + 256);
            p->refs = 1;
            p->head = sprintf(p->data, "Content-Type: image/jpeg\r\nContent-Length: %zu\r\n\r\n", size);
            p->size = p->head + size;
            size_t rest = head + have - (end + 4), mine = rest < size ? rest : size;
            memcpy(p->data + p->head, end + 4, mine);
            got = p->head + mine;
            have = rest - mine;
            memmove(head, end + 4 + mine, have);
            head[have] = 0;
        }
        while (got < p->size) {
            ssize_t n = recv(source, p->data + got, p->size - got, MSG_DONTWAIT);
            if (n == 0) exit(0);
            if (n < 0) return;
            got += n;
        }
        memcpy(p->data + p->size, "\r\n--floor\r\n", 11);
        p->size += 11;
        publish(p);
        p = NULL;
        if (have) goto parse;
    }
}

int main(int argc, char **argv) {
    if (argc < 3) return fprintf(stderr, "usage: floor PORT URL [UNSENT]\n"), 2;
    int unsent = argc > 3 ? atoi(argv[3]) : 0, one = 1;
    char path[512], request[600];
    struct sockaddr_in from = loopback(parse_url(argv[2], path));
    prepare();
    // Buffers of pictures are kept and not mapped anew each time: forty page faults a
    // picture would be in the figure.
    mallopt(M_MMAP_THRESHOLD, 64 << 20);
    mallopt(M_TRIM_THRESHOLD, 64 << 20);
    int listener = listen_on(atoi(argv[1])), source = socket(AF_INET, SOCK_STREAM, 0);
    if (connect(source, (struct sockaddr *)&from, sizeof from)) die("source");
    int n = sprintf(request, "GET %s HTTP/1.0\r\n\r\n", path);
    if (write(source, request, n) != n) die("source");
    poll_fd = epoll_create1(0);
    watch(poll_fd, EPOLL_CTL_ADD, listener, EPOLLIN, &listener);
    watch(poll_fd, EPOLL_CTL_ADD, source, EPOLLIN, &source);
    for (;;) {
        struct epoll_event events[512];
        int k = epoll_wait(poll_fd, events, 512, -1);
        for (int i = 0; i < k; i++) {
            if (events[i].data.ptr == &source) {
                // A picture that is sent may close a client whose event is further down.
                take(source);
                break;
            }
            if (events[i].data.ptr == &listener) {
                int fd;
                while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK)) >= 0) {
                    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
                    if (unsent) setsockopt(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &unsent, sizeof unsent);
                    client *c = calloc(1, sizeof *c);
                    c->fd = fd, c->next = clients, c->link = &clients;
                    if (clients) clients->link = &c->next;
                    clients = c;
                    watch(poll_fd, EPOLL_CTL_ADD, fd, EPOLLIN, c);
                }
                continue;
            }
            client *c = events[i].data.ptr;
            if (events[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR)) answer(c);
            else if (!push(c)) leave(c);
        }
    }
}
