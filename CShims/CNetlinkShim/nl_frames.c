#define _GNU_SOURCE
#include "nl_socket.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/filter.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <sys/socket.h>

#ifndef PACKET_IGNORE_OUTGOING
#define PACKET_IGNORE_OUTGOING 23
#endif

int outrider_frames_bind(int fd, int index) {
    int on = 1, smallest = 0;
    if (setsockopt(fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, &on, sizeof on) < 0) return -errno;
    if (setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &smallest, sizeof smallest) < 0) return -errno;
    // One byte of each frame: that there was one is all that matters.
    struct sock_filter keep_one = {.code = BPF_RET | BPF_K, .k = 1};
    struct sock_fprog program = {.len = 1, .filter = &keep_one};
    if (setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof program) < 0) return -errno;
    struct sockaddr_ll address = {
        .sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL), .sll_ifindex = index};
    return bind(fd, (struct sockaddr *)&address, sizeof address) < 0 ? -errno : 0;
}

int outrider_frames_heard(int fd) {
    char byte;
    ssize_t length;
    do length = recv(fd, &byte, sizeof byte, MSG_DONTWAIT | MSG_TRUNC);
    while (length < 0 && errno == EINTR);
    return length < 0 ? -errno : 1;
}
