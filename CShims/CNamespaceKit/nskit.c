#define _GNU_SOURCE
#include "CNamespaceKit.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if_packet.h>
#include <linux/netlink.h>
#include <net/if.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#ifndef SOL_NETLINK
#define SOL_NETLINK 270
#endif
#ifndef IPV6_HDRINCL
#define IPV6_HDRINCL 36
#endif

extern char **environ;

int nskit_socket(const char *path, int family, int type, int protocol) {
    int own = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
    if (own < 0) return -errno;
    int other = open(path, O_RDONLY | O_CLOEXEC);
    if (other < 0) {
        int error = errno;
        close(own);
        return -error;
    }
    int fd = -1, error = 0;
    if (setns(other, CLONE_NEWNET) < 0) {
        error = errno;
    } else {
        fd = socket(family, type | SOCK_CLOEXEC, protocol);
        if (fd < 0) error = errno;
        /* Whoever counts losses may be kept from reading for a while; what was delivered meanwhile is no loss. */
        int size = 4 << 20;
        if (fd >= 0) setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof size);
        /* A thread left in a foreign namespace would misplace everything it does later. */
        if (setns(own, CLONE_NEWNET) < 0) abort();
    }
    close(own);
    close(other);
    return fd >= 0 ? fd : -error;
}

static socklen_t fill(struct sockaddr_storage *out, int family, const uint8_t *address, size_t length, uint16_t port,
                      uint32_t scope) {
    memset(out, 0, sizeof *out);
    if (length == 16 || (length == 0 && family == AF_INET6)) {
        struct sockaddr_in6 *six = (struct sockaddr_in6 *)out;
        six->sin6_family = AF_INET6;
        six->sin6_port = htons(port);
        six->sin6_scope_id = scope;
        if (length) memcpy(&six->sin6_addr, address, 16);
        return sizeof *six;
    }
    struct sockaddr_in *four = (struct sockaddr_in *)out;
    four->sin_family = AF_INET;
    four->sin_port = htons(port);
    if (length) memcpy(&four->sin_addr, address, 4);
    return sizeof *four;
}

int nskit_send(int fd, const uint8_t *address, size_t address_length, uint16_t port, uint32_t scope,
               const uint8_t *data, size_t length) {
    struct sockaddr_storage to;
    socklen_t size = fill(&to, AF_UNSPEC, address, address_length, port, scope);
    ssize_t sent;
    do sent = sendto(fd, data, length, MSG_DONTWAIT | MSG_NOSIGNAL, (struct sockaddr *)&to, size);
    while (sent < 0 && errno == EINTR);
    return sent < 0 ? -errno : 0;
}

int nskit_send_frame(int fd, const char *name, const uint8_t *data, size_t length) {
    struct ifreq request;
    memset(&request, 0, sizeof request);
    strncpy(request.ifr_name, name, IFNAMSIZ - 1);
    if (ioctl(fd, SIOCGIFINDEX, &request) < 0) return -errno;
    struct sockaddr_ll to = {.sll_family = AF_PACKET, .sll_ifindex = request.ifr_ifindex};
    return sendto(fd, data, length, MSG_NOSIGNAL, (struct sockaddr *)&to, sizeof to) < 0 ? -errno : 0;
}

static int64_t now_us(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

/* Polls with the rest of the time until `deadline`, so that signals do not stretch the wait. */
static int await_event(int fd, short events, int64_t deadline) {
    for (;;) {
        int64_t left = deadline - now_us();
        if (left < 0) left = 0;
        struct timespec wait = {.tv_sec = left / 1000000, .tv_nsec = left % 1000000 * 1000};
        struct pollfd entry = {.fd = fd, .events = events};
        int ready = ppoll(&entry, 1, &wait, NULL);
        if (ready > 0) return 0;
        if (ready == 0) return -EAGAIN;
        if (errno != EINTR) return -errno;
    }
}

int nskit_receive(int fd, uint8_t *buffer, size_t capacity, int64_t timeout_us, uint8_t *from, size_t *from_length) {
    int64_t deadline = now_us() + timeout_us;
    for (;;) {
        struct sockaddr_storage sender;
        socklen_t size = sizeof sender;
        ssize_t got = recvfrom(fd, buffer, capacity, MSG_DONTWAIT, (struct sockaddr *)&sender, &size);
        if (got >= 0) {
            if (from && from_length) {
                if (sender.ss_family == AF_INET6) {
                    memcpy(from, &((struct sockaddr_in6 *)&sender)->sin6_addr, 16);
                    *from_length = 16;
                } else {
                    memcpy(from, &((struct sockaddr_in *)&sender)->sin_addr, 4);
                    *from_length = 4;
                }
            }
            return (int)got;
        }
        if (errno == EINTR) continue;
        if (errno != EAGAIN) return -errno;
        int waited = await_event(fd, POLLIN, deadline);
        if (waited < 0) return waited;
    }
}

int nskit_bind(int fd, int family, const uint8_t *address, size_t address_length, uint16_t port) {
    struct sockaddr_storage to;
    socklen_t size = fill(&to, family, address, address_length, port, 0);
    int one = 1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    return bind(fd, (struct sockaddr *)&to, size) < 0 ? -errno : 0;
}

int nskit_listen(int fd) { return listen(fd, 16) < 0 ? -errno : 0; }

int nskit_accept(int fd, int64_t timeout_us) {
    int waited = await_event(fd, POLLIN, now_us() + timeout_us);
    if (waited < 0) return waited;
    int peer = accept4(fd, NULL, NULL, SOCK_CLOEXEC);
    return peer < 0 ? -errno : peer;
}

int nskit_connect(int fd, const uint8_t *address, size_t address_length, uint16_t port, int64_t timeout_us) {
    struct sockaddr_storage to;
    socklen_t size = fill(&to, AF_UNSPEC, address, address_length, port, 0);
    int flags = fcntl(fd, F_GETFL);
    fcntl(fd, F_SETFL, flags | O_NONBLOCK);
    if (connect(fd, (struct sockaddr *)&to, size) == 0) return 0;
    if (errno != EINPROGRESS) return -errno;
    if (await_event(fd, POLLOUT, now_us() + timeout_us) < 0) return -ETIMEDOUT;
    int error = 0;
    socklen_t length = sizeof error;
    if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &length) < 0) return -errno;
    return -error;
}

int nskit_include_header(int fd, int family) {
    int one = 1;
    int result = family == AF_INET6 ? setsockopt(fd, IPPROTO_IPV6, IPV6_HDRINCL, &one, sizeof one)
                                    : setsockopt(fd, IPPROTO_IP, IP_HDRINCL, &one, sizeof one);
    return result < 0 ? -errno : 0;
}

int nskit_join_group(int fd, unsigned group) {
    int size = 16 << 20;
    if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof size) < 0) return -errno;
    /* The kernel skips listeners without a port id of their own. A second group finds the socket bound. */
    struct sockaddr_nl own = {.nl_family = AF_NETLINK};
    socklen_t length = sizeof own;
    if (getsockname(fd, (struct sockaddr *)&own, &length) < 0) return -errno;
    if (own.nl_pid == 0 && bind(fd, (struct sockaddr *)&own, sizeof own) < 0) return -errno;
    return setsockopt(fd, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &group, sizeof group) < 0 ? -errno : 0;
}

int nskit_wait_readable(const int *fds, size_t count, int64_t timeout_us) {
    struct pollfd entries[64];
    if (count > 64) return -EINVAL;
    for (size_t index = 0; index < count; index++) entries[index] = (struct pollfd){.fd = fds[index], .events = POLLIN};
    struct timespec wait = {.tv_sec = timeout_us / 1000000, .tv_nsec = timeout_us % 1000000 * 1000};
    int ready = ppoll(entries, count, &wait, NULL);
    if (ready < 0 && errno != EINTR) return -errno;
    return ready > 0 ? 0 : -EAGAIN;
}

int nskit_close(int fd) { return close(fd) < 0 ? -errno : 0; }

int nskit_spawn(const char *arguments, size_t length, const char *output) {
    char *argv[128];
    size_t count = 0, at = 0;
    while (at < length && count < 127) {
        argv[count++] = (char *)arguments + at;
        at += strlen(arguments + at) + 1;
    }
    argv[count] = NULL;
    if (count == 0 || at < length) return -E2BIG;

    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    posix_spawn_file_actions_init(&actions);
    posix_spawnattr_init(&attributes);
    posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_addopen(&actions, 1, output, O_WRONLY | O_CREAT | O_APPEND, 0600);
    posix_spawn_file_actions_adddup2(&actions, 1, 2);
    /* Threads of a Swift program block signals; a child must not inherit that. */
    sigset_t none, all;
    sigemptyset(&none);
    sigfillset(&all);
    posix_spawnattr_setsigmask(&attributes, &none);
    posix_spawnattr_setsigdefault(&attributes, &all);
    posix_spawnattr_setpgroup(&attributes, 0);
    posix_spawnattr_setflags(&attributes,
                             POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
    pid_t pid;
    int error = posix_spawnp(&pid, argv[0], &actions, &attributes, argv, environ);
    posix_spawn_file_actions_destroy(&actions);
    posix_spawnattr_destroy(&attributes);
    return error ? -error : pid;
}

int nskit_wait(int pid, int block) {
    int status;
    pid_t got;
    do got = waitpid(pid, &status, block ? 0 : WNOHANG);
    while (got < 0 && errno == EINTR);
    if (got < 0) return -errno;
    if (got == 0) return -EAGAIN;
    return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

int nskit_kill(int pid, int signal) { return kill(pid, signal) < 0 ? -errno : 0; }
