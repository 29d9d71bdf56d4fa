#define _GNU_SOURCE
#include "nl_builder.h"

#include <linux/if_link.h>

int outrider_nl_drops_parse(const void *message, size_t length, int32_t *index, uint64_t *packets) {
    const struct nlmsghdr *header = message_header(message, length);
    const struct nlattr *table[IFLA_STATS_LINK_64 + 1];
    if (!header || header->nlmsg_type != RTM_NEWSTATS ||
        sort_attributes(header, sizeof(struct if_stats_msg), table, IFLA_STATS_LINK_64 + 1) < 0)
        return -EBADMSG;
    if (!table[IFLA_STATS_LINK_64]) return -ENODATA;
    struct rtnl_link_stats64 raw;
    memset(&raw, 0, sizeof raw);
    // The struct grows at its end with newer kernels.
    size_t size = mnl_attr_get_payload_len(table[IFLA_STATS_LINK_64]);
    memcpy(&raw, mnl_attr_get_payload(table[IFLA_STATS_LINK_64]), size < sizeof raw ? size : sizeof raw);
    *index = ((const struct if_stats_msg *)mnl_nlmsg_get_payload(header))->ifindex;
    *packets = raw.rx_dropped + raw.rx_nohandler + raw.rx_otherhost_dropped;
    return 0;
}
