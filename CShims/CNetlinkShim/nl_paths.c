#define _GNU_SOURCE
#include "nl_builder.h"
#include "nl_routing.h"

int outrider_nl_path_get(
    void *buffer, size_t capacity, uint8_t family, const uint8_t *source, const uint8_t *destination) {
    struct nlmsghdr *header = begin(buffer, capacity, RTM_GETROUTE, 0);
    if (!header) return -ENOBUFS;
    size_t size = address_size(family);
    struct rtmsg *head = mnl_nlmsg_put_extra_header(header, sizeof *head);
    head->rtm_family = family;
    head->rtm_dst_len = (uint8_t)(size * 8);
    head->rtm_src_len = (uint8_t)(size * 8);
    mnl_attr_put(header, RTA_DST, size, destination);
    mnl_attr_put(header, RTA_SRC, size, source);
    return header->nlmsg_len;
}

int outrider_nl_path_parse(const void *message, size_t length, int32_t *index, uint32_t *mtu) {
    const struct nlmsghdr *header = message_header(message, length);
    const struct nlattr *table[RTA_NH_ID + 1], *metrics[RTAX_MTU + 1];
    *index = 0;
    *mtu = 0;
    if (!header || header->nlmsg_type != RTM_NEWROUTE ||
        sort_attributes(header, sizeof(struct rtmsg), table, RTA_NH_ID + 1) < 0)
        return -EBADMSG;
    if (table[RTA_OIF]) *index = (int32_t)get_u32(table[RTA_OIF]);
    if (!table[RTA_METRICS]) return 0;
    sort_nested(table[RTA_METRICS], metrics, RTAX_MTU + 1);
    if (metrics[RTAX_MTU] && mnl_attr_get_payload_len(metrics[RTAX_MTU]) == sizeof *mtu)
        *mtu = get_u32(metrics[RTAX_MTU]);
    return 0;
}
