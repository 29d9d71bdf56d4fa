#pragma once
#include <stddef.h>
#include <stdint.h>

// Nexthop objects, routes on them and the VXLAN VNI filter: libnl-route 3.7 models none of them, so all is libmnl.

struct outrider_nexthop {
    uint32_t id;
    int32_t index;
    uint8_t protocol;
    /// Tunnel id to send with (24 bits).
    uint32_t vni;
    /// AF_INET or AF_INET6: outer source and destination, 4 or 16 bytes, network order.
    uint8_t outer_family;
    uint8_t source[16], vtep[16];
    /// IPv6 gateway, network order.
    uint8_t gateway[16];
    /// Set by the parser when the object carries anything that the members above cannot say.
    uint8_t foreign;
};
/// RTM_NEWNEXTHOP (create or replace): `encap ip id VNI src SOURCE dst VTEP via inet6 GATEWAY dev INDEX`,
/// or `encap ip6 ... csum`: receivers drop IPv6 packets with a zero UDP checksum (RFC 8200 section 8.1).
int outrider_nl_nexthop_put(void *buffer, size_t capacity, const struct outrider_nexthop *nexthop);
int outrider_nl_nexthop_delete(void *buffer, size_t capacity, uint32_t id);
int outrider_nl_nexthop_dump(void *buffer, size_t capacity);
int outrider_nl_nexthop_parse(const void *message, size_t length, struct outrider_nexthop *nexthop);

enum outrider_route_target { OUTRIDER_ROUTE_NEXTHOP, OUTRIDER_ROUTE_DEVICE, OUTRIDER_ROUTE_UNREACHABLE };

struct outrider_route {
    /// AF_INET or AF_INET6; addresses fill 4 or 16 bytes, network order.
    uint8_t family, prefix_length, protocol;
    uint8_t destination[16];
    uint32_t metric, table;
    /// enum outrider_route_target.
    int32_t target;
    /// For OUTRIDER_ROUTE_NEXTHOP.
    uint32_t nexthop;
    /// For OUTRIDER_ROUTE_DEVICE.
    int32_t index;
    uint8_t has_source;
    uint8_t source[16];
    /// Longest packet, bytes (RTAX_MTU; 0: the device's); for OUTRIDER_ROUTE_DEVICE.
    uint32_t mtu;
    /// Set by the parser when the route carries anything that the members above cannot say.
    uint8_t foreign;
};
/// RTM_NEWROUTE (create or replace) in the main table.
int outrider_nl_route_put(void *buffer, size_t capacity, const struct outrider_route *route);
/// RTM_DELROUTE by destination, metric and protocol (0: any), so that a route of somebody else is never hit.
int outrider_nl_route_delete(void *buffer, size_t capacity, const struct outrider_route *route);
/// Dump of the main table, one family, one protocol or (0) all.
int outrider_nl_route_dump(void *buffer, size_t capacity, uint8_t family, uint8_t protocol);
int outrider_nl_route_parse(const void *message, size_t length, struct outrider_route *route);

// MARK: Paths

/// RTM_GETROUTE: how a packet from one address to another leaves.
int outrider_nl_path_get(
    void *buffer, size_t capacity, uint8_t family, const uint8_t *source, const uint8_t *destination);
/// Device of the path (0: none) and its own MTU, by route or learned (0: the device's).
int outrider_nl_path_parse(const void *message, size_t length, int32_t *index, uint32_t *mtu);

// MARK: VNI filter

/// RTM_NEWTUNNEL or RTM_DELTUNNEL for one VNI; the kernel does not check that it fits 24 bits, the caller does.
int outrider_nl_vni_change(void *buffer, size_t capacity, int add, int32_t index, uint32_t vni);
/// Dump of the filter of one device; with `counters` one row per VNI, else one per run of VNIs.
int outrider_nl_vni_dump(void *buffer, size_t capacity, int32_t index, int counters);

struct outrider_vni {
    uint32_t first, last;
    uint8_t has_counters;
    uint64_t rx_bytes, rx_packets, rx_drops, rx_errors, tx_bytes, tx_packets, tx_drops, tx_errors;
};
/// Reads up to `capacity` entries of one message into `entries`; returns their number, or -ENOSPC when there are more.
int outrider_nl_vni_parse(const void *message, size_t length, struct outrider_vni *entries, size_t capacity, int32_t *index);
