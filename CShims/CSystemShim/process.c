#define _GNU_SOURCE
#include "CSystemShim.h"

#include <errno.h>
#include <malloc.h>
#include <stddef.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

static int unix_address(const char *path, struct sockaddr_un *address, socklen_t *length) {
    size_t count = strlen(path);
    if (count == 0 || count >= sizeof address->sun_path) return -ENAMETOOLONG;
    memset(address, 0, sizeof *address);
    address->sun_family = AF_UNIX;
    memcpy(address->sun_path, path, count);
    int abstract = path[0] == '@';
    if (abstract) address->sun_path[0] = 0;
    *length = offsetof(struct sockaddr_un, sun_path) + count + !abstract;
    return 0;
}

int outrider_sd_notify(const char *socket_path, const char *state) {
    struct sockaddr_un address;
    socklen_t length;
    int result = unix_address(socket_path, &address, &length);
    if (result < 0) return result;
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0) return -errno;
    ssize_t sent;
    do sent = sendto(fd, state, strlen(state), MSG_NOSIGNAL, (struct sockaddr *)&address, length);
    while (sent < 0 && errno == EINTR);
    result = sent < 0 ? -errno : 0;
    close(fd);
    return result;
}

int outrider_peer_credentials(int fd, int32_t *pid, uint32_t *uid, uint32_t *gid) {
    struct ucred credentials;
    socklen_t length = sizeof credentials;
    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &credentials, &length) < 0) return -errno;
    *pid = credentials.pid;
    *uid = credentials.uid;
    *gid = credentials.gid;
    return 0;
}

int outrider_lock_exclusive(int fd) {
    int result;
    do result = flock(fd, LOCK_EX | LOCK_NB);
    while (result < 0 && errno == EINTR);
    return result < 0 ? -errno : 0;
}

int outrider_unix_connect(const char *path) {
    struct sockaddr_un address;
    socklen_t length;
    int result = unix_address(path, &address, &length);
    if (result < 0) return result;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0) return -errno;
    do result = connect(fd, (struct sockaddr *)&address, length);
    while (result < 0 && errno == EINTR);
    if (result < 0) {
        result = -errno;
        close(fd);
        return result;
    }
    return fd;
}

int outrider_unix_listen(const char *path, int backlog, uint32_t mode, int64_t group) {
    struct sockaddr_un address;
    socklen_t length;
    int result = unix_address(path, &address, &length);
    if (result < 0) return result;
    // A socket file outlives a killed owner; only one that nobody serves may be replaced.
    struct stat status;
    if (path[0] != '@' && lstat(path, &status) == 0) {
        if (!S_ISSOCK(status.st_mode)) return -EEXIST;
        int probe = outrider_unix_connect(path);
        if (probe >= 0) close(probe);
        if (probe != -ECONNREFUSED) return -EADDRINUSE;
        if (unlink(path) < 0) return -errno;
    }
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0) return -errno;
    // The mode of the descriptor becomes the file's, so that the file is never open to more than it should be.
    if (fchmod(fd, mode) < 0 || bind(fd, (struct sockaddr *)&address, length) < 0 ||
        (path[0] != '@' && group >= 0 && chown(path, -1, (gid_t)group) < 0) ||
        (path[0] != '@' && chmod(path, mode) < 0) || listen(fd, backlog) < 0) {
        result = -errno;
        close(fd);
        return result;
    }
    return fd;
}

int outrider_unix_accept(int fd) {
    int result;
    do result = accept4(fd, NULL, NULL, SOCK_CLOEXEC);
    while (result < 0 && errno == EINTR);
    return result < 0 ? -errno : result;
}

// MARK: Memory

void outrider_memory_prepare(void) {
    // Eight arenas per core by default: on a large machine each of a hundred threads keeps what it once used.
    mallopt(M_ARENA_MAX, 2);
    // Fixed: by itself it grows to what was freed last, and a dump that is thrown away stays with the process.
    mallopt(M_MMAP_THRESHOLD, 256 << 10);
    mallopt(M_TRIM_THRESHOLD, 1 << 20);
}

void outrider_memory_return(void) { malloc_trim(0); }
