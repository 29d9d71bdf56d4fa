#define _GNU_SOURCE
#include "nl_builder.h"
#include "nl_routing.h"

#include <endian.h>
#include <linux/if_tunnel.h>
#include <linux/lwtunnel.h>
#include <linux/nexthop.h>

// MARK: Nexthop objects

int outrider_nl_nexthop_put(void *buffer, size_t capacity, const struct outrider_nexthop *nexthop) {
    struct nlmsghdr *header = begin(buffer, capacity, RTM_NEWNEXTHOP, NLM_F_CREATE | NLM_F_REPLACE);
    if (!header) return -ENOBUFS;
    struct nhmsg *head = mnl_nlmsg_put_extra_header(header, sizeof *head);
    head->nh_family = AF_INET6;
    head->nh_protocol = nexthop->protocol;
    mnl_attr_put_u32(header, NHA_ID, nexthop->id);
    mnl_attr_put_u32(header, NHA_OIF, nexthop->index);
    mnl_attr_put(header, NHA_GATEWAY, sizeof nexthop->gateway, nexthop->gateway);
    int is_ipv6 = nexthop->outer_family == AF_INET6;
    size_t size = address_size(nexthop->outer_family);
    mnl_attr_put_u16(header, NHA_ENCAP_TYPE, is_ipv6 ? LWTUNNEL_ENCAP_IP6 : LWTUNNEL_ENCAP_IP);
    struct nlattr *nest = mnl_attr_nest_start(header, NHA_ENCAP);
    uint64_t id = htobe64(nexthop->vni);
    // LWTUNNEL_IP_* and LWTUNNEL_IP6_* have the same numbers.
    mnl_attr_put(header, LWTUNNEL_IP_ID, sizeof id, &id);
    mnl_attr_put(header, LWTUNNEL_IP_DST, size, nexthop->vtep);
    mnl_attr_put(header, LWTUNNEL_IP_SRC, size, nexthop->source);
    if (is_ipv6) mnl_attr_put_u16(header, LWTUNNEL_IP6_FLAGS, TUNNEL_CSUM);
    mnl_attr_nest_end(header, nest);
    return header->nlmsg_len;
}

int outrider_nl_nexthop_delete(void *buffer, size_t capacity, uint32_t id) {
    struct nlmsghdr *header = begin(buffer, capacity, RTM_DELNEXTHOP, 0);
    if (!header) return -ENOBUFS;
    mnl_nlmsg_put_extra_header(header, sizeof(struct nhmsg));
    mnl_attr_put_u32(header, NHA_ID, id);
    return header->nlmsg_len;
}

int outrider_nl_nexthop_dump(void *buffer, size_t capacity) {
    struct nlmsghdr *header = begin(buffer, capacity, RTM_GETNEXTHOP, NLM_F_DUMP);
    if (!header) return -ENOBUFS;
    mnl_nlmsg_put_extra_header(header, sizeof(struct nhmsg));
    return header->nlmsg_len;
}

/// 0 when the encapsulation is one that we write.
static int parse_encap(uint16_t type, const struct nlattr *nest, struct outrider_nexthop *nexthop) {
    const struct nlattr *table[LWTUNNEL_IP_OPTS + 1];
    if (type != LWTUNNEL_ENCAP_IP && type != LWTUNNEL_ENCAP_IP6) return -1;
    nexthop->outer_family = type == LWTUNNEL_ENCAP_IP6 ? AF_INET6 : AF_INET;
    size_t size = address_size(nexthop->outer_family);
    sort_nested(nest, table, LWTUNNEL_IP_OPTS + 1);
    uint64_t id;
    if (copy_exactly(&id, table[LWTUNNEL_IP_ID], sizeof id) < 0) return -1;
    if (copy_exactly(nexthop->vtep, table[LWTUNNEL_IP_DST], size) < 0) return -1;
    if (copy_exactly(nexthop->source, table[LWTUNNEL_IP_SRC], size) < 0) return -1;
    if (be64toh(id) > UINT32_MAX || table[LWTUNNEL_IP_OPTS]) return -1;
    if (table[LWTUNNEL_IP_TTL] && get_u8(table[LWTUNNEL_IP_TTL])) return -1;
    if (table[LWTUNNEL_IP_TOS] && get_u8(table[LWTUNNEL_IP_TOS])) return -1;
    // The kernel adds TUNNEL_KEY by itself.
    uint16_t flags = 0, wanted = type == LWTUNNEL_ENCAP_IP6 ? TUNNEL_CSUM : 0;
    if (table[LWTUNNEL_IP_FLAGS]) copy_exactly(&flags, table[LWTUNNEL_IP_FLAGS], sizeof flags);
    if ((flags & ~TUNNEL_KEY) != wanted) return -1;
    nexthop->vni = (uint32_t)be64toh(id);
    return 0;
}

int outrider_nl_nexthop_parse(const void *message, size_t length, struct outrider_nexthop *nexthop) {
    memset(nexthop, 0, sizeof *nexthop);
    const struct nlmsghdr *header = message_header(message, length);
    const struct nlattr *table[NHA_FDB + 1];
    if (!header || (header->nlmsg_type != RTM_NEWNEXTHOP && header->nlmsg_type != RTM_DELNEXTHOP) ||
        sort_attributes(header, sizeof(struct nhmsg), table, NHA_FDB + 1) < 0)
        return -EBADMSG;
    const struct nhmsg *head = mnl_nlmsg_get_payload(header);
    nexthop->protocol = head->nh_protocol;
    if (copy_exactly(&nexthop->id, table[NHA_ID], sizeof nexthop->id) < 0) return -EBADMSG;
    nexthop->foreign =
        head->nh_family != AF_INET6 || table[NHA_GROUP] || table[NHA_BLACKHOLE] || table[NHA_FDB] ||
        copy_exactly(&nexthop->index, table[NHA_OIF], sizeof nexthop->index) < 0 ||
        copy_exactly(nexthop->gateway, table[NHA_GATEWAY], sizeof nexthop->gateway) < 0 || !table[NHA_ENCAP_TYPE] ||
        !table[NHA_ENCAP] || parse_encap(get_u16(table[NHA_ENCAP_TYPE]), table[NHA_ENCAP], nexthop) < 0;
    return 0;
}

// MARK: Routes

static struct rtmsg *put_route_head(struct nlmsghdr *header, const struct outrider_route *route) {
    struct rtmsg *head = mnl_nlmsg_put_extra_header(header, sizeof *head);
    head->rtm_family = route->family;
    head->rtm_dst_len = route->prefix_length;
    head->rtm_table = RT_TABLE_MAIN;
    head->rtm_protocol = route->protocol;
    mnl_attr_put(header, RTA_DST, address_size(route->family), route->destination);
    if (route->metric) mnl_attr_put_u32(header, RTA_PRIORITY, route->metric);
    return head;
}

int outrider_nl_route_put(void *buffer, size_t capacity, const struct outrider_route *route) {
    struct nlmsghdr *header = begin(buffer, capacity, RTM_NEWROUTE, NLM_F_CREATE | NLM_F_REPLACE);
    if (!header) return -ENOBUFS;
    struct rtmsg *head = put_route_head(header, route);
    head->rtm_type = RTN_UNICAST;
    head->rtm_scope = RT_SCOPE_UNIVERSE;
    switch (route->target) {
    case OUTRIDER_ROUTE_NEXTHOP:
        mnl_attr_put_u32(header, RTA_NH_ID, route->nexthop);
        break;
    case OUTRIDER_ROUTE_DEVICE:
        // An IPv4 destination without a gateway is on-link, which the kernel wants to hear.
        if (route->family == AF_INET) head->rtm_scope = RT_SCOPE_LINK;
        mnl_attr_put_u32(header, RTA_OIF, route->index);
        if (route->has_source) mnl_attr_put(header, RTA_PREFSRC, address_size(route->family), route->source);
        if (route->mtu) {
            struct nlattr *metrics = mnl_attr_nest_start(header, RTA_METRICS);
            mnl_attr_put_u32(header, RTAX_MTU, route->mtu);
            mnl_attr_nest_end(header, metrics);
        }
        break;
    case OUTRIDER_ROUTE_UNREACHABLE:
        head->rtm_type = RTN_UNREACHABLE;
        break;
    default:
        return -EINVAL;
    }
    return header->nlmsg_len;
}

int outrider_nl_route_delete(void *buffer, size_t capacity, const struct outrider_route *route) {
    struct nlmsghdr *header = begin(buffer, capacity, RTM_DELROUTE, 0);
    if (!header) return -ENOBUFS;
    put_route_head(header, route)->rtm_scope = RT_SCOPE_NOWHERE;
    return header->nlmsg_len;
}

int outrider_nl_route_dump(void *buffer, size_t capacity, uint8_t family, uint8_t protocol) {
    struct nlmsghdr *header = begin(buffer, capacity, RTM_GETROUTE, NLM_F_DUMP);
    if (!header) return -ENOBUFS;
    struct rtmsg *head = mnl_nlmsg_put_extra_header(header, sizeof *head);
    head->rtm_family = family;
    head->rtm_protocol = protocol;
    mnl_attr_put_u32(header, RTA_TABLE, RT_TABLE_MAIN);
    return header->nlmsg_len;
}

/// The one metric that we set; fails on any other.
static int parse_mtu(const struct nlattr *metrics, struct outrider_route *route) {
    const struct nlattr *metric;
    mnl_attr_for_each_nested(metric, metrics) {
        if (mnl_attr_get_type(metric) != RTAX_MTU || mnl_attr_get_payload_len(metric) != sizeof route->mtu) return -EBADMSG;
        route->mtu = get_u32(metric);
    }
    return 0;
}

int outrider_nl_route_parse(const void *message, size_t length, struct outrider_route *route) {
    memset(route, 0, sizeof *route);
    const struct nlmsghdr *header = message_header(message, length);
    const struct nlattr *table[RTA_NH_ID + 1];
    if (!header || (header->nlmsg_type != RTM_NEWROUTE && header->nlmsg_type != RTM_DELROUTE) ||
        sort_attributes(header, sizeof(struct rtmsg), table, RTA_NH_ID + 1) < 0)
        return -EBADMSG;
    const struct rtmsg *head = mnl_nlmsg_get_payload(header);
    if (head->rtm_family != AF_INET && head->rtm_family != AF_INET6) return -EAFNOSUPPORT;
    size_t size = address_size(head->rtm_family);
    route->family = head->rtm_family;
    route->prefix_length = head->rtm_dst_len;
    route->protocol = head->rtm_protocol;
    route->table = table[RTA_TABLE] ? get_u32(table[RTA_TABLE]) : head->rtm_table;
    if (table[RTA_DST] && copy_exactly(route->destination, table[RTA_DST], size) < 0) return -EBADMSG;
    if (table[RTA_PRIORITY]) route->metric = get_u32(table[RTA_PRIORITY]);
    if (table[RTA_PREFSRC] && copy_exactly(route->source, table[RTA_PREFSRC], size) == 0) route->has_source = 1;
    if (table[RTA_OIF]) route->index = get_u32(table[RTA_OIF]);
    int stray = table[RTA_GATEWAY] || table[RTA_VIA] || table[RTA_MULTIPATH] || table[RTA_ENCAP];
    if (table[RTA_NH_ID]) {
        // The kernel also spells out the nexthop's gateway and encapsulation.
        route->target = OUTRIDER_ROUTE_NEXTHOP;
        route->nexthop = get_u32(table[RTA_NH_ID]);
        route->foreign = head->rtm_type != RTN_UNICAST || route->has_source;
    } else if (head->rtm_type == RTN_UNREACHABLE) {
        // IPv6 names the loopback device here.
        route->target = OUTRIDER_ROUTE_UNREACHABLE;
        route->foreign = stray || route->has_source;
    } else {
        route->target = OUTRIDER_ROUTE_DEVICE;
        route->foreign = head->rtm_type != RTN_UNICAST || stray || !table[RTA_OIF];
    }
    if (head->rtm_tos || head->rtm_src_len) route->foreign = 1;
    if (table[RTA_METRICS] && (parse_mtu(table[RTA_METRICS], route) < 0 || route->target != OUTRIDER_ROUTE_DEVICE))
        route->foreign = 1;
    return 0;
}

// MARK: VNI filter

int outrider_nl_vni_change(void *buffer, size_t capacity, int add, int32_t index, uint32_t vni) {
    struct nlmsghdr *header = begin(buffer, capacity, add ? RTM_NEWTUNNEL : RTM_DELTUNNEL, add ? NLM_F_CREATE : 0);
    if (!header) return -ENOBUFS;
    struct tunnel_msg *head = mnl_nlmsg_put_extra_header(header, sizeof *head);
    head->family = AF_BRIDGE;
    head->ifindex = index;
    struct nlattr *entry = mnl_attr_nest_start(header, VXLAN_VNIFILTER_ENTRY);
    mnl_attr_put_u32(header, VXLAN_VNIFILTER_ENTRY_START, vni);
    mnl_attr_nest_end(header, entry);
    return header->nlmsg_len;
}

int outrider_nl_vni_dump(void *buffer, size_t capacity, int32_t index, int counters) {
    struct nlmsghdr *header = begin(buffer, capacity, RTM_GETTUNNEL, NLM_F_DUMP);
    if (!header) return -ENOBUFS;
    struct tunnel_msg *head = mnl_nlmsg_put_extra_header(header, sizeof *head);
    head->family = AF_BRIDGE;
    head->flags = counters ? TUNNEL_MSG_FLAG_STATS : 0;
    head->ifindex = index;
    return header->nlmsg_len;
}

static void parse_vni_counters(const struct nlattr *nest, struct outrider_vni *entry) {
    const struct nlattr *table[VNIFILTER_ENTRY_STATS_MAX + 1];
    sort_nested(nest, table, VNIFILTER_ENTRY_STATS_MAX + 1);
    uint64_t *targets[VNIFILTER_ENTRY_STATS_MAX + 1] = {
        [VNIFILTER_ENTRY_STATS_RX_BYTES] = &entry->rx_bytes,   [VNIFILTER_ENTRY_STATS_RX_PKTS] = &entry->rx_packets,
        [VNIFILTER_ENTRY_STATS_RX_DROPS] = &entry->rx_drops,   [VNIFILTER_ENTRY_STATS_RX_ERRORS] = &entry->rx_errors,
        [VNIFILTER_ENTRY_STATS_TX_BYTES] = &entry->tx_bytes,   [VNIFILTER_ENTRY_STATS_TX_PKTS] = &entry->tx_packets,
        [VNIFILTER_ENTRY_STATS_TX_DROPS] = &entry->tx_drops,   [VNIFILTER_ENTRY_STATS_TX_ERRORS] = &entry->tx_errors,
    };
    for (size_t type = 0; type <= VNIFILTER_ENTRY_STATS_MAX; type++)
        if (targets[type] && table[type]) *targets[type] = get_u64(table[type]);
    entry->has_counters = 1;
}

int outrider_nl_vni_parse(
    const void *message, size_t length, struct outrider_vni *entries, size_t capacity, int32_t *index) {
    const struct nlmsghdr *header = message_header(message, length);
    if (!header || (header->nlmsg_type != RTM_NEWTUNNEL && header->nlmsg_type != RTM_DELTUNNEL) ||
        header->nlmsg_len < NLMSG_HDRLEN + sizeof(struct tunnel_msg) || !is_padded(header))
        return -EBADMSG;
    *index = ((const struct tunnel_msg *)mnl_nlmsg_get_payload(header))->ifindex;
    size_t count = 0;
    const struct nlattr *attribute;
    mnl_attr_for_each(attribute, header, sizeof(struct tunnel_msg)) {
        if (mnl_attr_get_type(attribute) != VXLAN_VNIFILTER_ENTRY) continue;
        const struct nlattr *table[VXLAN_VNIFILTER_ENTRY_MAX + 1];
        sort_nested(attribute, table, VXLAN_VNIFILTER_ENTRY_MAX + 1);
        if (!table[VXLAN_VNIFILTER_ENTRY_START]) return -EBADMSG;
        if (count == capacity) return -ENOSPC;
        struct outrider_vni *entry = &entries[count++];
        memset(entry, 0, sizeof *entry);
        entry->first = entry->last = get_u32(table[VXLAN_VNIFILTER_ENTRY_START]);
        if (table[VXLAN_VNIFILTER_ENTRY_END]) entry->last = get_u32(table[VXLAN_VNIFILTER_ENTRY_END]);
        if (table[VXLAN_VNIFILTER_ENTRY_STATS]) parse_vni_counters(table[VXLAN_VNIFILTER_ENTRY_STATS], entry);
    }
    return (int)count;
}
