/* What the programs of the bench share: clocks, sockets and the stamp in a picture.
 *
 * A stamp is a JPEG comment right after SOI: FF D8, FF FE, a length, "N:" and 12 digits
 * (the picture's number, from 1), " T:" and 18 digits (microseconds of CLOCK_MONOTONIC when
 * it was handed to the kernel). A relay that passes pictures through keeps it, so that a
 * client on the same machine knows the order, the gaps and the age of what it receives.
 */
#ifndef COMMON_H
#define COMMON_H
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

enum { STAMP_TEXT = 2 + 12 + 3 + 18, STAMP = 2 + 2 + 2 + STAMP_TEXT };

static inline int64_t now_us(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000000LL + t.tv_nsec / 1000;
}

/* Writes SOI and stamp, STAMP bytes and no final zero. */
static inline void stamp_write(char *to, int64_t number, int64_t time_us) {
    char text[STAMP_TEXT + 1];
    snprintf(text, sizeof text, "N:%012lld T:%018lld", (long long)(number % 1000000000000LL), (long long)time_us);
    memcpy(to, "\xff\xd8\xff\xfe", 4);
    to[4] = 0;
    to[5] = STAMP_TEXT + 2;
    memcpy(to + 6, text, STAMP_TEXT);
}

/* Reads a stamp; 0 where there is none. */
static inline int stamp_read(const char *from, size_t length, int64_t *number, int64_t *time_us) {
    long long n, t;
    char text[STAMP_TEXT + 1];
    if (length < STAMP || memcmp(from, "\xff\xd8\xff\xfe", 4)) return 0;
    memcpy(text, from + 6, STAMP_TEXT);
    text[STAMP_TEXT] = 0;
    if (sscanf(text, "N:%lld T:%lld", &n, &t) != 2) return 0;
    *number = n;
    *time_us = t;
    return 1;
}

static inline void die(const char *what) {
    perror(what);
    exit(2);
}

/* Everything in a file, and how much that is. */
static inline char *contents(const char *path, long *size) {
    FILE *f = fopen(path, "rb");
    if (!f) die(path);
    fseek(f, 0, SEEK_END);
    *size = ftell(f);
    rewind(f);
    char *all = malloc(*size);
    if (fread(all, 1, *size, f) != (size_t)*size) die(path);
    fclose(f);
    return all;
}

static inline struct sockaddr_in loopback(int port) {
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    return a;
}

static inline int listen_on(int port) {
    struct sockaddr_in a = loopback(port);
    int one = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (bind(fd, (struct sockaddr *)&a, sizeof a) || listen(fd, 4096)) die("listen");
    return fd;
}

/* Port and path of http://127.0.0.1:PORT/PATH; other hosts are none of our business. */
static inline int parse_url(const char *url, char path[512]) {
    int port = 0, used = 0;
    if (sscanf(url, "http://127.0.0.1:%d%n", &port, &used) != 1) {
        fprintf(stderr, "%s: expected http://127.0.0.1:PORT/PATH\n", url);
        exit(2);
    }
    snprintf(path, 512, "%s", url[used] ? url + used : "/");
    return port;
}

static inline void prepare(void) {
    struct rlimit files;
    signal(SIGPIPE, SIG_IGN);
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
}

static inline void watch(int poll, int op, int fd, uint32_t events, void *with) {
    struct epoll_event e = {.events = events, .data.ptr = with};
    epoll_ctl(poll, op, fd, &e);
}
#endif
