#define _GNU_SOURCE
#include "datagram.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <netinet/icmp6.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

static int set(int fd, int level, int option, int value) {
    return setsockopt(fd, level, option, &value, sizeof value) ? -errno : 0;
}

int outrider_udp_serve(int fd, int family, uint16_t port) {
    int error = 0;
    if (family == AF_INET) {
        struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
        if ((error = set(fd, SOL_SOCKET, SO_BROADCAST, 1)) || (error = set(fd, IPPROTO_IP, IP_PKTINFO, 1))) return error;
        return bind(fd, (struct sockaddr *)&address, sizeof address) ? -errno : 0;
    }
    struct sockaddr_in6 address = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
    if ((error = set(fd, IPPROTO_IPV6, IPV6_V6ONLY, 1)) || (error = set(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, 1)) ||
        (error = set(fd, IPPROTO_IPV6, IPV6_RECVHOPLIMIT, 1)))
        return error;
    return bind(fd, (struct sockaddr *)&address, sizeof address) ? -errno : 0;
}

int outrider_icmp6_serve(int fd) {
    struct icmp6_filter filter;
    ICMP6_FILTER_SETBLOCKALL(&filter);
    ICMP6_FILTER_SETPASS(ND_ROUTER_SOLICIT, &filter);
    if (setsockopt(fd, IPPROTO_ICMPV6, ICMP6_FILTER, &filter, sizeof filter)) return -errno;
    int error = 0;
    if ((error = set(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, 1)) || (error = set(fd, IPPROTO_IPV6, IPV6_RECVHOPLIMIT, 1)) ||
        (error = set(fd, IPPROTO_IPV6, IPV6_UNICAST_HOPS, 255)) ||
        (error = set(fd, IPPROTO_IPV6, IPV6_MULTICAST_HOPS, 255)))
        return error;
    return set(fd, IPPROTO_IPV6, IPV6_MULTICAST_LOOP, 0);
}

static void take_control(const struct cmsghdr *control, struct outrider_datagram *datagram) {
    if (control->cmsg_level == IPPROTO_IP && control->cmsg_type == IP_PKTINFO) {
        struct in_pktinfo info;
        memcpy(&info, CMSG_DATA(control), sizeof info);
        datagram->index = info.ipi_ifindex;
        memcpy(datagram->local, &info.ipi_addr, 4);
    } else if (control->cmsg_level == IPPROTO_IPV6 && control->cmsg_type == IPV6_PKTINFO) {
        struct in6_pktinfo info;
        memcpy(&info, CMSG_DATA(control), sizeof info);
        datagram->index = (int32_t)info.ipi6_ifindex;
        memcpy(datagram->local, &info.ipi6_addr, 16);
    } else if (control->cmsg_level == IPPROTO_IPV6 && control->cmsg_type == IPV6_HOPLIMIT) {
        int limit;
        memcpy(&limit, CMSG_DATA(control), sizeof limit);
        datagram->hop_limit = limit;
    }
}

ssize_t outrider_datagram_receive(
    int fd, int family, uint8_t *bytes, size_t capacity, struct outrider_datagram *datagram) {
    struct sockaddr_storage peer = {0};
    union {
        struct cmsghdr header;
        uint8_t bytes[256];
    } control;
    struct iovec part = {.iov_base = bytes, .iov_len = capacity};
    struct msghdr message = {
        .msg_name = &peer,
        .msg_namelen = sizeof peer,
        .msg_iov = &part,
        .msg_iovlen = 1,
        .msg_control = control.bytes,
        .msg_controllen = sizeof control.bytes};
    ssize_t count = recvmsg(fd, &message, MSG_DONTWAIT);
    if (count < 0) return -errno;
    memset(datagram, 0, sizeof *datagram);
    datagram->hop_limit = -1;
    for (struct cmsghdr *entry = CMSG_FIRSTHDR(&message); entry; entry = CMSG_NXTHDR(&message, entry))
        take_control(entry, datagram);
    if (family == AF_INET) {
        const struct sockaddr_in *address = (const struct sockaddr_in *)&peer;
        memcpy(datagram->peer, &address->sin_addr, 4);
        datagram->port = ntohs(address->sin_port);
    } else {
        const struct sockaddr_in6 *address = (const struct sockaddr_in6 *)&peer;
        memcpy(datagram->peer, &address->sin6_addr, 16);
        datagram->port = ntohs(address->sin6_port);
    }
    return message.msg_flags & MSG_TRUNC ? -EMSGSIZE : count;
}

int outrider_datagram_send(
    int fd, int family, const uint8_t *bytes, size_t count, const struct outrider_datagram *datagram) {
    struct sockaddr_in peer4 = {.sin_family = AF_INET, .sin_port = htons(datagram->port)};
    struct sockaddr_in6 peer6 = {
        .sin6_family = AF_INET6, .sin6_port = htons(datagram->port), .sin6_scope_id = (uint32_t)datagram->index};
    union {
        struct cmsghdr header;
        uint8_t bytes[CMSG_SPACE(sizeof(struct in6_pktinfo))];
    } control = {0};
    struct iovec part = {.iov_base = (void *)bytes, .iov_len = count};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = control.bytes};
    if (family == AF_INET) {
        struct in_pktinfo info = {.ipi_ifindex = datagram->index};
        memcpy(&info.ipi_spec_dst, datagram->local, 4);
        memcpy(&peer4.sin_addr, datagram->peer, 4);
        message.msg_name = &peer4;
        message.msg_namelen = sizeof peer4;
        message.msg_controllen = CMSG_SPACE(sizeof info);
        struct cmsghdr *entry = CMSG_FIRSTHDR(&message);
        *entry = (struct cmsghdr){
            .cmsg_len = CMSG_LEN(sizeof info), .cmsg_level = IPPROTO_IP, .cmsg_type = IP_PKTINFO};
        memcpy(CMSG_DATA(entry), &info, sizeof info);
    } else {
        struct in6_pktinfo info = {.ipi6_ifindex = (uint32_t)datagram->index};
        memcpy(&info.ipi6_addr, datagram->local, 16);
        memcpy(&peer6.sin6_addr, datagram->peer, 16);
        message.msg_name = &peer6;
        message.msg_namelen = sizeof peer6;
        message.msg_controllen = CMSG_SPACE(sizeof info);
        struct cmsghdr *entry = CMSG_FIRSTHDR(&message);
        *entry = (struct cmsghdr){
            .cmsg_len = CMSG_LEN(sizeof info), .cmsg_level = IPPROTO_IPV6, .cmsg_type = IPV6_PKTINFO};
        memcpy(CMSG_DATA(entry), &info, sizeof info);
    }
    return sendmsg(fd, &message, MSG_DONTWAIT) < 0 ? -errno : 0;
}

int outrider_packet_send(int fd, int32_t index, const uint8_t *link, const uint8_t *bytes, size_t count) {
    struct sockaddr_ll to = {
        .sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_IPV6), .sll_ifindex = index, .sll_halen = 6};
    memcpy(to.sll_addr, link, 6);
    return sendto(fd, bytes, count, MSG_DONTWAIT, (struct sockaddr *)&to, sizeof to) < 0 ? -errno : 0;
}
