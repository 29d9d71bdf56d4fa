#define _GNU_SOURCE
#include "CSystemShim.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <linux/nsfs.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

int outrider_ns_open(const char *path) {
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return -errno;
    if (ioctl(fd, NS_GET_NSTYPE) != CLONE_NEWNET) {
        close(fd);
        return -EINVAL;
    }
    return fd;
}

int outrider_ns_open_current(void) { return outrider_ns_open("/proc/thread-self/ns/net"); }

int outrider_ns_same(int first, int second) {
    struct stat a, b;
    if (fstat(first, &a) < 0 || fstat(second, &b) < 0) return -errno;
    return a.st_dev == b.st_dev && a.st_ino == b.st_ino;
}

// MARK: A thread of its own

struct job {
    int ns_fd;
    int (*body)(void *);
    void *context;
    int result;
};

static void *run_job(void *argument) {
    struct job *job = argument;
    if (job->ns_fd >= 0 && setns(job->ns_fd, CLONE_NEWNET) < 0)
        job->result = -errno;
    else
        job->result = job->body(job->context);
    return NULL;
}

// A pooled thread would carry the namespace to whoever runs next on it; this one ends.
static int on_own_thread(int ns_fd, int (*body)(void *), void *context) {
    struct job job = {.ns_fd = ns_fd, .body = body, .context = context};
    pthread_t thread;
    int error = pthread_create(&thread, NULL, run_job, &job);
    if (error) return -error;
    pthread_join(thread, NULL);
    return job.result;
}

int outrider_ns_run(int ns_fd, int (*body)(void *), void *context) {
    if (ns_fd < 0) return -EBADF;
    return on_own_thread(ns_fd, body, context);
}

// MARK: Creation and deletion

static int unshare_and_mount(void *context) {
    if (unshare(CLONE_NEWNET) < 0) return -errno;
    if (mount("/proc/thread-self/ns/net", context, "none", MS_BIND, NULL) < 0) return -errno;
    return 0;
}

// Without a shared parent, a mount namespace that copied this one earlier would keep the namespace alive after its
// deletion, or never see it.
static int share_folder(const char *folder) {
    if (mkdir(folder, 0755) < 0 && errno != EEXIST) return -errno;
    if (mount("", folder, "none", MS_SHARED | MS_REC, NULL) == 0) return 0;
    if (errno != EINVAL) return -errno;
    if (mount(folder, folder, "none", MS_BIND | MS_REC, NULL) < 0) return -errno;
    if (mount("", folder, "none", MS_SHARED | MS_REC, NULL) < 0) return -errno;
    return 0;
}

int outrider_ns_create(const char *path) {
    char folder[PATH_MAX];
    const char *slash = strrchr(path, '/');
    if (path[0] != '/' || slash == path || strlen(path) >= sizeof folder) return -EINVAL;
    memcpy(folder, path, slash - path);
    folder[slash - path] = 0;
    int result = share_folder(folder);
    if (result < 0) return result;
    int fd = open(path, O_RDONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0);
    if (fd < 0) return -errno;
    close(fd);
    result = on_own_thread(-1, unshare_and_mount, (void *)path);
    if (result < 0) unlink(path);
    return result;
}

int outrider_ns_delete(const char *path) {
    // EINVAL: a plain file that a failed creation left behind.
    if (umount2(path, MNT_DETACH) < 0 && errno != EINVAL) return -errno;
    return unlink(path) < 0 ? -errno : 0;
}

// MARK: Things opened inside

struct socket_request { int domain, type, protocol; };

static int open_socket(void *context) {
    struct socket_request *request = context;
    int fd = socket(request->domain, request->type | SOCK_CLOEXEC, request->protocol);
    return fd < 0 ? -errno : fd;
}

int outrider_ns_socket(int ns_fd, int domain, int type, int protocol) {
    struct socket_request request = {domain, type, protocol};
    return outrider_ns_run(ns_fd, open_socket, &request);
}

struct file_request { const char *path; char *data; size_t length; };

static int write_file(void *context) {
    struct file_request *request = context;
    int fd = open(request->path, O_WRONLY | O_CLOEXEC);
    if (fd < 0) return -errno;
    ssize_t written;
    do written = write(fd, request->data, request->length);
    while (written < 0 && errno == EINTR);
    int result = written < 0 ? -errno : (size_t)written == request->length ? 0 : -EIO;
    close(fd);
    return result;
}

static int read_file(void *context) {
    struct file_request *request = context;
    int fd = open(request->path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return -errno;
    ssize_t count;
    do count = read(fd, request->data, request->length);
    while (count < 0 && errno == EINTR);
    int result = count < 0 ? -errno : (int)count;
    close(fd);
    return result;
}

int outrider_ns_write_file(int ns_fd, const char *path, const char *data, size_t length) {
    struct file_request request = {path, (char *)data, length};
    return outrider_ns_run(ns_fd, write_file, &request);
}

int outrider_ns_read_file(int ns_fd, const char *path, char *data, size_t capacity) {
    struct file_request request = {path, data, capacity};
    return outrider_ns_run(ns_fd, read_file, &request);
}

struct tun_request { int *descriptors, count; };

static int open_tuns(void *context) {
    struct tun_request *request = context;
    int opened = 0;
    while (opened < request->count) {
        int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC);
        if (fd < 0) return opened ? opened : -errno;
        request->descriptors[opened++] = fd;
    }
    return opened;
}

int outrider_ns_open_tuns(int ns_fd, int *descriptors, int count) {
    struct tun_request request = {descriptors, count};
    return outrider_ns_run(ns_fd, open_tuns, &request);
}

int outrider_tap_attach(int fd, const char *name, int exclusive, int persistent, int64_t owner, int64_t group) {
    struct ifreq ifr;
    memset(&ifr, 0, sizeof ifr);
    if (strlen(name) >= sizeof ifr.ifr_name) return -EINVAL;
    strcpy(ifr.ifr_name, name);
    ifr.ifr_flags = IFF_TAP | IFF_NO_PI | (exclusive ? IFF_TUN_EXCL : 0);
    // Persistent last: a failure before takes the device away with the descriptor.
    if (ioctl(fd, TUNSETIFF, &ifr) < 0 || (owner >= 0 && ioctl(fd, TUNSETOWNER, (unsigned long)owner) < 0) ||
        (group >= 0 && ioctl(fd, TUNSETGROUP, (unsigned long)group) < 0) ||
        (persistent && ioctl(fd, TUNSETPERSIST, 1) < 0))
        return -errno;
    return 0;
}
