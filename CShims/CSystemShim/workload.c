#define _GNU_SOURCE
#include "workload.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int outrider_folder_open(const char *path) {
    int fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
    return fd < 0 ? -errno : fd;
}

int outrider_proc_open(int32_t process) {
    char path[32];
    if (process <= 0) return -ESRCH;
    snprintf(path, sizeof path, "/proc/%d", process);
    int fd = outrider_folder_open(path);
    return fd == -ENOENT ? -ESRCH : fd;
}

/// Reads at most `capacity` - 1 bytes of a file and ends them with a zero.
static int read_text(int folder_fd, const char *name, char *text, size_t capacity) {
    int fd = openat(folder_fd, name, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return -errno;
    size_t length = 0;
    int result = 0;
    while (length < capacity - 1) {
        ssize_t count = read(fd, text + length, capacity - 1 - length);
        if (count < 0 && errno == EINTR) continue;
        if (count < 0) result = -errno;
        if (count <= 0) break;
        length += (size_t)count;
    }
    close(fd);
    text[length] = 0;
    return result < 0 ? result : (int)length;
}

/// A process that has ended but was not waited for has files that are empty or refuse to be read.
static int read_process(int proc_fd, const char *name, char *text, size_t capacity) {
    int length = read_text(proc_fd, name, text, capacity);
    return length == 0 || length == -ENOENT ? -ESRCH : length;
}

static int read_number(const char *text, const char **end, uint64_t *value) {
    char *after;
    if (*text < '0' || *text > '9') return -EBADMSG;
    errno = 0;
    *value = strtoull(text, &after, 10);
    *end = after;
    return errno ? -EBADMSG : 0;
}

int outrider_proc_resident(int proc_fd, uint64_t *bytes) {
    char text[128];
    int length = read_process(proc_fd, "statm", text, sizeof text);
    if (length < 0) return length;
    const char *second = strchr(text, ' ');
    uint64_t size, pages;
    const char *end;
    if (!second || read_number(text, &end, &size) < 0 || read_number(second + 1, &end, &pages) < 0) return -EBADMSG;
    // One that waits to be reaped has no memory any more, and no address space either.
    if (size == 0) return -ESRCH;
    *bytes = pages * (uint64_t)sysconf(_SC_PAGESIZE);
    return 0;
}

int outrider_proc_began(int proc_fd, uint64_t *nanoseconds) {
    char text[1024];
    int length = read_process(proc_fd, "stat", text, sizeof text);
    if (length < 0) return length;
    // The name in field 2 may hold spaces and parentheses: count from its last one.
    const char *at = strrchr(text, ')');
    if (!at) return -EBADMSG;
    for (int field = 2; field < 22; field++) {
        at = strchr(at + 1, ' ');
        if (!at) return -EBADMSG;
    }
    uint64_t ticks;
    const char *end;
    if (read_number(at + 1, &end, &ticks) < 0) return -EBADMSG;
    *nanoseconds = ticks * (1000000000ull / (uint64_t)sysconf(_SC_CLK_TCK));
    return 0;
}

int outrider_folder_number(int folder_fd, const char *name, uint64_t *value) {
    char text[64];
    int length = read_text(folder_fd, name, text, sizeof text);
    if (length < 0) return length;
    const char *end;
    if (read_number(text, &end, value) < 0) return -EBADMSG;
    return *end == '\n' || *end == 0 ? 0 : -EBADMSG;
}

/// Groups below groups that are looked into: libvirt has three levels.
#define DEPTH_MAX 5

struct process_list {
    int32_t *processes;
    size_t capacity;
    int count;
};

static int add_processes(int folder_fd, struct process_list *list) {
    int fd = openat(folder_fd, "cgroup.procs", O_RDONLY | O_CLOEXEC);
    if (fd < 0) return -errno;
    char buffer[4096];
    int result = 0;
    int64_t number = -1;
    for (;;) {
        ssize_t length = read(fd, buffer, sizeof buffer);
        if (length < 0 && errno == EINTR) continue;
        // A threaded group does not tell its processes: they stand in the group above.
        if (length < 0 && errno != EOPNOTSUPP) result = -errno;
        if (length <= 0) break;
        for (ssize_t i = 0; i < length; i++) {
            if (buffer[i] >= '0' && buffer[i] <= '9') {
                number = (number < 0 ? 0 : number) * 10 + (buffer[i] - '0');
                if (number > INT32_MAX) number = INT32_MAX;
            } else if (number >= 0) {
                if ((size_t)list->count < list->capacity) list->processes[list->count] = (int32_t)number;
                list->count++;
                number = -1;
            }
        }
    }
    close(fd);
    return result;
}

static int add_groups(int folder_fd, struct process_list *list, int depth) {
    int result = add_processes(folder_fd, list);
    if (result < 0 || depth == DEPTH_MAX) return result;
    int fd = openat(folder_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) return -errno;
    DIR *folder = fdopendir(fd);
    if (!folder) {
        close(fd);
        return -ENOMEM;
    }
    struct dirent *entry;
    while (result == 0 && (entry = readdir(folder))) {
        if (entry->d_type != DT_DIR || entry->d_name[0] == '.') continue;
        int child = openat(fd, entry->d_name, O_PATH | O_DIRECTORY | O_CLOEXEC);
        // Gone since it was listed: so are its processes.
        if (child < 0) continue;
        result = add_groups(child, list, depth + 1);
        if (result == -ENOENT || result == -ENODEV) result = 0;
        close(child);
    }
    closedir(folder);
    return result;
}

int outrider_cgroup_processes(int folder_fd, int32_t *processes, size_t capacity) {
    struct process_list list = {processes, capacity, 0};
    int result = add_groups(folder_fd, &list, 0);
    return result < 0 ? (result == -ENODEV ? -ENOENT : result) : list.count;
}
