#include <errno.h>
#include <sys/epoll.h>

#include "CSystemShim.h"

int outrider_waiter_open(void) {
    int fd = epoll_create1(EPOLL_CLOEXEC);
    return fd < 0 ? -errno : fd;
}

int outrider_waiter_watch(int waiter, int fd) {
    struct epoll_event event = {.events = EPOLLIN | EPOLLRDHUP, .data.fd = fd};
    return epoll_ctl(waiter, EPOLL_CTL_ADD, fd, &event) < 0 ? -errno : 0;
}

int outrider_waiter_forget(int waiter, int fd) {
    return epoll_ctl(waiter, EPOLL_CTL_DEL, fd, NULL) < 0 ? -errno : 0;
}

int outrider_waiter_next(int waiter, int *ready, int capacity) {
    struct epoll_event events[64];
    if (capacity > 64) capacity = 64;
    int count;
    do count = epoll_wait(waiter, events, capacity, -1);
    while (count < 0 && errno == EINTR);
    for (int place = 0; place < count; place++) ready[place] = events[place].data.fd;
    return count < 0 ? -errno : count;
}
