/* A webcam for machines without one: preloaded into a program, it answers for the devices of
 * Video4Linux in place of the kernel.
 *
 * What lies below /dev/video*, /dev/v4l and /sys/class/video4linux is looked for in the folder
 * WEBCAM_ROOT, with the same names. A device is a file there; while it is missing, it is unplugged,
 * and whoever has it open is told ENODEV, as by a kernel. The folder "pictures" has what it
 * sends, mjpeg-WxH-N.jpg and yuyv-WxH-N.raw, N from 0, at the rate that it is set to; the file "stuck" stops
 * it without a word, "torn" makes it mark pictures as faulty. What is set is added to the file "log".
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/videodev2.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define MOST_FDS 1024
#define BUFFERS 4
#define ROOM (1 << 20)

struct device {
    int used, nonblocking, streaming;
    char path[512];
    struct v4l2_pix_format pix;
    unsigned rate, buffers;
    char *memory[BUFFERS];
    int queue[BUFFERS];
    unsigned queued, sequence;
    struct timespec began;
};

static struct device devices[MOST_FDS];
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static struct control {
    unsigned id, type;
    const char *name;
    int least, most, step, initial, flags;
} controls[] = {
    { V4L2_CID_BRIGHTNESS, V4L2_CTRL_TYPE_INTEGER, "Brightness", -64, 64, 1, 0, 0 },
    { V4L2_CID_AUTO_WHITE_BALANCE, V4L2_CTRL_TYPE_BOOLEAN, "White Balance, Automatic", 0, 1, 1, 1, 0 },
    { V4L2_CID_POWER_LINE_FREQUENCY, V4L2_CTRL_TYPE_MENU, "Power Line Frequency", 0, 2, 1, 1, 0 },
    { V4L2_CID_EXPOSURE_AUTO, V4L2_CTRL_TYPE_MENU, "Auto Exposure", 0, 3, 1, 3, 0 },
    { V4L2_CID_EXPOSURE_ABSOLUTE, V4L2_CTRL_TYPE_INTEGER, "Exposure Time, Absolute", 1, 5000, 1, 157,
      V4L2_CTRL_FLAG_INACTIVE },
};
#define CONTROLS (sizeof controls / sizeof *controls)
/* Of the device as long as it is plugged in: the inode tells one plugging from the next. */
static int values[CONTROLS];
static ino_t plugged;

static const char *power_line[] = { "Disabled", "50 Hz", "60 Hz" };
static const unsigned formats[] = { V4L2_PIX_FMT_YUYV, V4L2_PIX_FMT_MJPEG };
static const struct { unsigned format, width, height, rates[3]; } modes[] = {
    { V4L2_PIX_FMT_MJPEG, 320, 240, { 30, 10 } },
    { V4L2_PIX_FMT_MJPEG, 640, 360, { 10 } },
    { V4L2_PIX_FMT_YUYV, 320, 240, { 10, 5 } },
    { V4L2_PIX_FMT_YUYV, 160, 120, { 20 } },
};
#define MODES (sizeof modes / sizeof *modes)

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

/* Where a path of the machine is looked for. */
static const char *moved(const char *path, char *room, size_t size)
{
    const char *root = getenv("WEBCAM_ROOT");
    int is_ours = path && (!strncmp(path, "/dev/video", 10) || !strncmp(path, "/dev/v4l", 8)
        || !strncmp(path, "/sys/class/video4linux", 22));
    if (!root || !is_ours)
        return path;
    snprintf(room, size, "%s%s", root, path);
    return room;
}

static int is_device(const char *path)
{
    const char *root = getenv("WEBCAM_ROOT"), *name = strrchr(path, '/');
    return root && !strncmp(path, root, strlen(root)) && name && !strncmp(name, "/video", 6)
        && strstr(path, "/dev/");
}

static int in_root(const char *name)
{
    char path[512];
    snprintf(path, sizeof path, "%s/%s", getenv("WEBCAM_ROOT"), name);
    return !REAL(access)(path, F_OK);
}

static void note(const char *format, ...)
{
    char path[512], line[256];
    va_list list;
    va_start(list, format);
    int length = vsnprintf(line, sizeof line, format, list);
    va_end(list);
    snprintf(path, sizeof path, "%s/log", getenv("WEBCAM_ROOT"));
    int fd = REAL(open)(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (fd >= 0) {
        if (write(fd, line, length) < 0)
            perror(path);
        REAL(close)(fd);
    }
}

static int opened(const char *path, int fd, int flags)
{
    char real[4096];
    if (fd < 0 || fd >= MOST_FDS || !REAL(realpath)(path, real) || !is_device(real))
        return fd;
    struct stat stat;
    fstat(fd, &stat);
    pthread_mutex_lock(&lock);
    struct device *device = &devices[fd];
    memset(device, 0, sizeof *device);
    device->used = 1;
    device->nonblocking = !!(flags & O_NONBLOCK);
    snprintf(device->path, sizeof device->path, "%.500s", real);
    device->pix = (struct v4l2_pix_format){ .width = 320, .height = 240, .pixelformat = V4L2_PIX_FMT_YUYV,
        .field = V4L2_FIELD_NONE, .bytesperline = 640, .sizeimage = 320 * 240 * 2 };
    device->rate = 10;
    if (plugged != stat.st_ino) {
        plugged = stat.st_ino;
        for (unsigned at = 0; at < CONTROLS; at++)
            values[at] = controls[at].initial;
    }
    pthread_mutex_unlock(&lock);
    return fd;
}

static struct device *device_of(int fd)
{
    return fd >= 0 && fd < MOST_FDS && devices[fd].used ? &devices[fd] : NULL;
}

#define MODE_OF(flags, last)                      \
    mode_t mode = 0;                              \
    if ((flags) & (O_CREAT | __O_TMPFILE)) {      \
        va_list list;                             \
        va_start(list, last);                     \
        mode = va_arg(list, mode_t);              \
        va_end(list);                             \
    }

#define OPEN(name)                                                                         \
    int name(const char *path, int flags, ...)                                             \
    {                                                                                      \
        MODE_OF(flags, flags)                                                              \
        char room[4096];                                                                   \
        const char *place = moved(path, room, sizeof room);                                \
        int fd = REAL(name)(place, flags, mode);                                           \
        return opened(place, fd, flags);                                                   \
    }
#define OPENAT(name)                                                                       \
    int name(int folder, const char *path, int flags, ...)                                 \
    {                                                                                      \
        MODE_OF(flags, flags)                                                              \
        char room[4096];                                                                   \
        const char *place = moved(path, room, sizeof room);                                \
        int fd = REAL(name)(folder, place, flags, mode);                                   \
        return opened(place, fd, flags);                                                   \
    }
OPEN(open)
OPEN(open64)
OPENAT(openat)
OPENAT(openat64)

int close(int fd)
{
    pthread_mutex_lock(&lock);
    if (device_of(fd))
        devices[fd].used = 0;
    pthread_mutex_unlock(&lock);
    return REAL(close)(fd);
}

#define PATH(type, name, parameters, ...)                       \
    type name parameters                                        \
    {                                                           \
        char room[4096];                                        \
        return REAL(name)(__VA_ARGS__);                         \
    }
#define AT moved(path, room, sizeof room)
PATH(DIR *, opendir, (const char *path), AT)
PATH(int, access, (const char *path, int mode), AT, mode)
PATH(int, stat, (const char *path, struct stat *to), AT, to)
PATH(int, stat64, (const char *path, struct stat64 *to), AT, to)
PATH(int, lstat, (const char *path, struct stat *to), AT, to)
PATH(int, lstat64, (const char *path, struct stat64 *to), AT, to)
PATH(int, faccessat, (int folder, const char *path, int mode, int flags), folder, AT, mode, flags)
PATH(int, statx, (int folder, const char *path, int flags, unsigned mask, struct statx *to), folder, AT, flags, mask, to)
PATH(ssize_t, readlink, (const char *path, char *to, size_t size), AT, to, size)

char *realpath(const char *path, char *to)
{
    char room[4096];
    char *found = REAL(realpath)(moved(path, room, sizeof room), to);
    const char *root = getenv("WEBCAM_ROOT");
    if (found && root && is_device(found))
        memmove(found, found + strlen(root), strlen(found) - strlen(root) + 1);
    return found;
}

static void *mapped(int fd, off_t offset)
{
    struct device *device = device_of(fd);
    unsigned at = offset / ROOM;
    return device && at < device->buffers ? device->memory[at] : MAP_FAILED;
}

void *mmap(void *where, size_t size, int protection, int flags, int fd, off_t offset)
{
    return device_of(fd) ? mapped(fd, offset) : REAL(mmap)(where, size, protection, flags, fd, offset);
}

void *mmap64(void *where, size_t size, int protection, int flags, int fd, off64_t offset)
{
    return device_of(fd) ? mapped(fd, offset) : REAL(mmap64)(where, size, protection, flags, fd, offset);
}

static double since(struct timespec then)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec - then.tv_sec + (now.tv_nsec - then.tv_nsec) / 1e9;
}

static int has_picture(struct device *device, char *path, size_t size)
{
    int is_jpeg = device->pix.pixelformat == V4L2_PIX_FMT_MJPEG;
    snprintf(path, size, "%s/pictures/%s-%ux%u-%u.%s", getenv("WEBCAM_ROOT"), is_jpeg ? "mjpeg" : "yuyv",
             device->pix.width, device->pix.height, device->sequence, is_jpeg ? "jpg" : "raw");
    return !in_root("stuck") && !REAL(access)(path, F_OK);
}

/* Fills the next buffer with the next picture, when it is due and there is one. */
static int dequeue(struct device *device, struct v4l2_buffer *buffer)
{
    char path[512];
    for (;;) {
        if (REAL(access)(device->path, F_OK))
            return ENODEV;
        if (!device->streaming)
            return EINVAL;
        double due = (double)device->sequence / device->rate;
        if (device->queued && has_picture(device, path, sizeof path) && since(device->began) >= due)
            break;
        if (device->nonblocking)
            return EAGAIN;
        pthread_mutex_unlock(&lock);
        usleep(2000);
        pthread_mutex_lock(&lock);
    }
    int at = device->queue[0];
    memmove(device->queue, device->queue + 1, sizeof device->queue - sizeof *device->queue);
    device->queued--;
    int fd = REAL(open)(path, O_RDONLY | O_CLOEXEC);
    ssize_t length = fd < 0 ? 0 : read(fd, device->memory[at], ROOM);
    if (fd >= 0)
        REAL(close)(fd);
    if (length <= 0)
        return EIO;
    buffer->index = at;
    buffer->bytesused = length;
    buffer->flags = V4L2_BUF_FLAG_MAPPED | V4L2_BUF_FLAG_TIMESTAMP_MONOTONIC;
    if (in_root("torn") && device->sequence % 2)
        buffer->flags |= V4L2_BUF_FLAG_ERROR;
    buffer->field = V4L2_FIELD_NONE;
    buffer->sequence = device->sequence++;
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    buffer->timestamp = (struct timeval){ now.tv_sec, now.tv_nsec / 1000 };
    return 0;
}

static int control_at(unsigned id)
{
    for (unsigned at = 0; at < CONTROLS; at++)
        if (controls[at].id == id)
            return at;
    return -1;
}

static int query_control(struct v4l2_queryctrl *query)
{
    int at = control_at(query->id);
    if (query->id & V4L2_CTRL_FLAG_NEXT_CTRL) {
        unsigned after = query->id & ~V4L2_CTRL_FLAG_NEXT_CTRL;
        at = -1;
        for (unsigned next = 0; next < CONTROLS; next++)
            if (controls[next].id > after && (at < 0 || controls[next].id < controls[at].id))
                at = next;
    }
    if (at < 0)
        return EINVAL;
    struct control *control = &controls[at];
    memset(query, 0, sizeof *query);
    query->id = control->id;
    query->type = control->type;
    snprintf((char *)query->name, sizeof query->name, "%s", control->name);
    query->minimum = control->least;
    query->maximum = control->most;
    query->step = control->step;
    query->default_value = control->initial;
    query->flags = control->flags;
    if (control->id == V4L2_CID_EXPOSURE_ABSOLUTE && values[control_at(V4L2_CID_EXPOSURE_AUTO)] == 1)
        query->flags = 0;
    return 0;
}

static int query_menu(struct v4l2_querymenu *menu)
{
    if (menu->id == V4L2_CID_POWER_LINE_FREQUENCY && menu->index < 3)
        return snprintf((char *)menu->name, 32, "%s", power_line[menu->index]), 0;
    if (menu->id == V4L2_CID_EXPOSURE_AUTO && (menu->index == 1 || menu->index == 3))
        return snprintf((char *)menu->name, 32, "%s", menu->index == 1 ? "Manual Mode" : "Aperture Priority Mode"), 0;
    return EINVAL;
}

static int set_control(struct v4l2_control *given)
{
    int at = control_at(given->id);
    if (at < 0)
        return EINVAL;
    if (given->id == V4L2_CID_EXPOSURE_ABSOLUTE && values[control_at(V4L2_CID_EXPOSURE_AUTO)] != 1)
        return EACCES;
    if (given->value < controls[at].least || given->value > controls[at].most)
        return ERANGE;
    values[at] = given->value;
    note("%s=%d\n", controls[at].name, given->value);
    return 0;
}

static int frame_size(struct v4l2_frmsizeenum *size)
{
    unsigned index = size->index;
    for (unsigned at = 0; at < MODES; at++)
        if (modes[at].format == size->pixel_format && !index--) {
            size->type = V4L2_FRMSIZE_TYPE_DISCRETE;
            size->discrete = (struct v4l2_frmsize_discrete){ modes[at].width, modes[at].height };
            return 0;
        }
    return EINVAL;
}

static int mode_of(unsigned format, unsigned width, unsigned height)
{
    for (unsigned at = 0; at < MODES; at++)
        if (modes[at].format == format && modes[at].width == width && modes[at].height == height)
            return at;
    return -1;
}

static int frame_interval(struct v4l2_frmivalenum *interval)
{
    int at = mode_of(interval->pixel_format, interval->width, interval->height);
    if (at < 0 || interval->index > 2 || !modes[at].rates[interval->index])
        return EINVAL;
    interval->type = V4L2_FRMIVAL_TYPE_DISCRETE;
    interval->discrete = (struct v4l2_fract){ 1, modes[at].rates[interval->index] };
    return 0;
}

static int set_format(struct device *device, struct v4l2_format *format)
{
    struct v4l2_pix_format *pix = &format->fmt.pix;
    if (format->type != V4L2_BUF_TYPE_VIDEO_CAPTURE)
        return EINVAL;
    for (int other = 0; other < MOST_FDS; other++)
        if (devices[other].used && devices[other].streaming && !strcmp(devices[other].path, device->path))
            return EBUSY;
    if (pix->pixelformat != V4L2_PIX_FMT_MJPEG)
        pix->pixelformat = V4L2_PIX_FMT_YUYV;
    /* What it has not, a driver exchanges for something else. */
    if (mode_of(pix->pixelformat, pix->width, pix->height) < 0) {
        pix->width = 320;
        pix->height = 240;
    }
    int is_jpeg = pix->pixelformat == V4L2_PIX_FMT_MJPEG;
    pix->field = V4L2_FIELD_NONE;
    pix->bytesperline = is_jpeg ? 0 : pix->width * 2;
    pix->sizeimage = is_jpeg ? ROOM : pix->width * pix->height * 2;
    device->pix = *pix;
    device->rate = modes[mode_of(pix->pixelformat, pix->width, pix->height)].rates[0];
    return 0;
}

static int parameters(struct device *device, struct v4l2_streamparm *given, int is_set)
{
    struct v4l2_fract *time = &given->parm.capture.timeperframe;
    if (is_set && time->numerator)
        device->rate = time->denominator / time->numerator;
    given->parm.capture.capability = V4L2_CAP_TIMEPERFRAME;
    *time = (struct v4l2_fract){ 1, device->rate };
    return 0;
}

static int request_buffers(struct device *device, struct v4l2_requestbuffers *request)
{
    device->queued = 0;
    device->buffers = request->count < BUFFERS ? request->count : BUFFERS;
    request->count = device->buffers;
    /* Whoever has them mapped unmaps them, so each opening has its own. */
    for (unsigned at = 0; at < device->buffers; at++)
        device->memory[at] =
            REAL(mmap)(NULL, ROOM, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return 0;
}

static int answer(struct device *device, unsigned long request, void *argument)
{
    if (REAL(access)(device->path, F_OK))
        return ENODEV;
    switch (request) {
    case VIDIOC_QUERYCAP: {
        struct v4l2_capability *capability = argument;
        memset(capability, 0, sizeof *capability);
        strcpy((char *)capability->driver, "uvcvideo");
        strcpy((char *)capability->card, "Maker Cam 920");
        strcpy((char *)capability->bus_info, "usb-0000:00:14.0-1");
        /* The second device of a webcam has no pictures. */
        int is_second = !strcmp(strrchr(device->path, '/'), "/video79");
        capability->device_caps =
            V4L2_CAP_STREAMING | (is_second ? V4L2_CAP_META_CAPTURE : V4L2_CAP_VIDEO_CAPTURE);
        capability->capabilities =
            V4L2_CAP_VIDEO_CAPTURE | V4L2_CAP_META_CAPTURE | V4L2_CAP_STREAMING | V4L2_CAP_DEVICE_CAPS;
        return 0;
    }
    case VIDIOC_ENUM_FMT: {
        struct v4l2_fmtdesc *format = argument;
        if (format->index > 1)
            return EINVAL;
        format->pixelformat = formats[format->index];
        strcpy((char *)format->description, format->index ? "Motion-JPEG" : "YUYV 4:2:2");
        format->flags = format->index ? V4L2_FMT_FLAG_COMPRESSED : 0;
        return 0;
    }
    case VIDIOC_ENUM_FRAMESIZES: return frame_size(argument);
    case VIDIOC_ENUM_FRAMEINTERVALS: return frame_interval(argument);
    case VIDIOC_G_INPUT: return *(int *)argument = 0;
    case VIDIOC_S_INPUT: return *(int *)argument ? EINVAL : 0;
    case VIDIOC_ENUMINPUT: {
        struct v4l2_input *input = argument;
        if (input->index)
            return EINVAL;
        memset(input, 0, sizeof *input);
        strcpy((char *)input->name, "Camera 1");
        input->type = V4L2_INPUT_TYPE_CAMERA;
        return 0;
    }
    case VIDIOC_G_FMT: return ((struct v4l2_format *)argument)->fmt.pix = device->pix, 0;
    case VIDIOC_TRY_FMT:
    case VIDIOC_S_FMT: return set_format(device, argument);
    case VIDIOC_G_PARM: return parameters(device, argument, 0);
    case VIDIOC_S_PARM: return parameters(device, argument, 1);
    case VIDIOC_REQBUFS: return request_buffers(device, argument);
    case VIDIOC_QUERYBUF: {
        struct v4l2_buffer *buffer = argument;
        if (buffer->index >= device->buffers)
            return EINVAL;
        buffer->length = ROOM;
        buffer->m.offset = buffer->index * ROOM;
        return 0;
    }
    case VIDIOC_QBUF:
        if (device->queued >= BUFFERS)
            return EINVAL;
        device->queue[device->queued++] = ((struct v4l2_buffer *)argument)->index;
        return 0;
    case VIDIOC_DQBUF: return dequeue(device, argument);
    case VIDIOC_STREAMON:
        device->streaming = 1;
        clock_gettime(CLOCK_MONOTONIC, &device->began);
        note("on %.4s %ux%u %u %s\n", (char *)&device->pix.pixelformat, device->pix.width, device->pix.height,
             device->rate, strrchr(device->path, '/') + 1);
        return 0;
    case VIDIOC_STREAMOFF:
        device->streaming = 0;
        note("off\n");
        return 0;
    case VIDIOC_QUERYCTRL: return query_control(argument);
    case VIDIOC_QUERYMENU: return query_menu(argument);
    case VIDIOC_G_CTRL: {
        struct v4l2_control *control = argument;
        int at = control_at(control->id);
        return at < 0 ? EINVAL : (control->value = values[at], 0);
    }
    case VIDIOC_S_CTRL: return set_control(argument);
    default: return ENOTTY;
    }
}

int ioctl(int fd, unsigned long request, ...)
{
    va_list list;
    va_start(list, request);
    void *argument = va_arg(list, void *);
    va_end(list);
    if (!device_of(fd))
        return REAL(ioctl)(fd, request, argument);
    pthread_mutex_lock(&lock);
    /* A request may have come as an int, with its sign. */
    int error = answer(&devices[fd], request & 0xffffffff, argument);
    pthread_mutex_unlock(&lock);
    errno = error;
    return error ? -1 : 0;
}
