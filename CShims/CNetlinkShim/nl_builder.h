#pragma once
// Shared by the builders and parsers of this folder; not part of the module.
#include <arpa/inet.h>
#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/rtnetlink.h>
#include <string.h>

#include "nl_links.h"

/// Header of a request in a zeroed buffer, or NULL when the buffer is too small for any message of ours.
static inline struct nlmsghdr *begin(void *buffer, size_t capacity, uint16_t type, uint16_t flags) {
    if (capacity < OUTRIDER_NL_MESSAGE_MAX) return NULL;
    memset(buffer, 0, OUTRIDER_NL_MESSAGE_MAX);
    struct nlmsghdr *header = mnl_nlmsg_put_header(buffer);
    header->nlmsg_type = type;
    header->nlmsg_flags = NLM_F_REQUEST | flags;
    return header;
}

static inline size_t address_size(uint8_t family) { return family == AF_INET ? 4 : 16; }

/// libmnl rounds a message's length up and reads to there; the kernel fills every message up itself.
static inline int is_padded(const struct nlmsghdr *header) { return header->nlmsg_len % NLMSG_ALIGNTO == 0; }

/// Sorts attributes by type into `table` (of `count` entries); unknown types are left out.
static inline int sort_attributes(const struct nlmsghdr *header, size_t skip, const struct nlattr **table, size_t count) {
    memset(table, 0, count * sizeof *table);
    if (header->nlmsg_len < NLMSG_HDRLEN + NLMSG_ALIGN(skip) || !is_padded(header)) return -EBADMSG;
    const struct nlattr *attribute;
    mnl_attr_for_each(attribute, header, skip) {
        if (mnl_attr_get_type(attribute) < count) table[mnl_attr_get_type(attribute)] = attribute;
    }
    return 0;
}

static inline void sort_nested(const struct nlattr *nest, const struct nlattr **table, size_t count) {
    memset(table, 0, count * sizeof *table);
    const struct nlattr *attribute;
    mnl_attr_for_each_nested(attribute, nest) {
        if (mnl_attr_get_type(attribute) < count) table[mnl_attr_get_type(attribute)] = attribute;
    }
}

/// Copies an attribute that must have exactly `size` bytes.
static inline int copy_exactly(void *target, const struct nlattr *attribute, size_t size) {
    if (!attribute || mnl_attr_get_payload_len(attribute) != size) return -EBADMSG;
    memcpy(target, mnl_attr_get_payload(attribute), size);
    return 0;
}

/// A number, in the kernel's order, of an attribute that may be shorter than it should: 0 then.
static inline uint8_t get_u8(const struct nlattr *attribute) {
    return mnl_attr_get_payload_len(attribute) < 1 ? 0 : mnl_attr_get_u8(attribute);
}
static inline uint16_t get_u16(const struct nlattr *attribute) {
    return mnl_attr_get_payload_len(attribute) < 2 ? 0 : mnl_attr_get_u16(attribute);
}
static inline uint32_t get_u32(const struct nlattr *attribute) {
    return mnl_attr_get_payload_len(attribute) < 4 ? 0 : mnl_attr_get_u32(attribute);
}
static inline uint64_t get_u64(const struct nlattr *attribute) {
    return mnl_attr_get_payload_len(attribute) < 8 ? 0 : mnl_attr_get_u64(attribute);
}

static inline const struct nlmsghdr *message_header(const void *message, size_t length) {
    return length >= NLMSG_HDRLEN && mnl_nlmsg_ok(message, (int)length) ? message : NULL;
}
