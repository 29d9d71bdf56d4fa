#include "nftables.h"

#include <arpa/inet.h>
#include <endian.h>
#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <string.h>

/// NFTA_HOOK_DEVS, for headers that lack it.
#define HOOK_DEVICES 4

typedef struct nlattr attribute_t;

int outrider_nft_dump_request(
    void *buffer, size_t capacity, enum outrider_nft_kind kind, uint8_t family, const char *table, const char *set) {
    static const uint16_t types[] = {NFT_MSG_GETTABLE, NFT_MSG_GETCHAIN, NFT_MSG_GETRULE, NFT_MSG_GETSETELEM};
    if (capacity < OUTRIDER_NFT_MESSAGE_MAX) return -ENOBUFS;
    if ((table && strlen(table) > 63) || (set && strlen(set) > 63)) return -ENAMETOOLONG;
    struct nlmsghdr *message = mnl_nlmsg_put_header(buffer);
    message->nlmsg_type = (NFNL_SUBSYS_NFTABLES << 8) | types[kind];
    message->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
    struct nfgenmsg *header = mnl_nlmsg_put_extra_header(message, sizeof *header);
    header->nfgen_family = family;
    header->version = NFNETLINK_V0;
    if (kind == OUTRIDER_NFT_ELEMENTS) {
        if (!table || !set) return -EINVAL;
        mnl_attr_put_strz(message, NFTA_SET_ELEM_LIST_TABLE, table);
        mnl_attr_put_strz(message, NFTA_SET_ELEM_LIST_SET, set);
    } else if (kind == OUTRIDER_NFT_RULES && table) {
        mnl_attr_put_strz(message, NFTA_RULE_TABLE, table);
    }
    return (int)message->nlmsg_len;
}

static void copy_text(char *target, size_t capacity, const attribute_t *attribute) {
    size_t length = mnl_attr_get_payload_len(attribute);
    if (length >= capacity) length = capacity - 1;
    memcpy(target, mnl_attr_get_payload(attribute), length);
    target[length] = 0;
}

static uint32_t get_u32(const attribute_t *attribute) {
    return mnl_attr_get_payload_len(attribute) < 4 ? 0 : ntohl(mnl_attr_get_u32(attribute));
}

static uint64_t get_u64(const attribute_t *attribute) {
    return mnl_attr_get_payload_len(attribute) < 8 ? 0 : be64toh(mnl_attr_get_u64(attribute));
}

/// The comment in a table's or rule's user data: type, length, text with its zero byte.
static void read_comment(const attribute_t *attribute, char *target, size_t capacity) {
    const uint8_t *data = mnl_attr_get_payload(attribute);
    size_t left = mnl_attr_get_payload_len(attribute);
    while (left >= 2 && left >= 2 + (size_t)data[1]) {
        if (data[0] == 0) {
            size_t length = strnlen((const char *)data + 2, data[1]);
            if (length >= capacity) length = capacity - 1;
            memcpy(target, data + 2, length);
            target[length] = 0;
            return;
        }
        left -= 2 + (size_t)data[1];
        data += 2 + data[1];
    }
}

static void read_hook(const attribute_t *nest, struct outrider_nft_row *row) {
    const attribute_t *attribute, *device;
    row->has_hook = 1;
    mnl_attr_for_each_nested(attribute, nest) {
        switch (mnl_attr_get_type(attribute)) {
        case NFTA_HOOK_HOOKNUM: row->hook = get_u32(attribute); break;
        case NFTA_HOOK_PRIORITY: row->priority = (int32_t)get_u32(attribute); break;
        case NFTA_HOOK_DEV: copy_text(row->device, sizeof row->device, attribute); break;
        case HOOK_DEVICES:
            mnl_attr_for_each_nested(device, attribute) copy_text(row->device, sizeof row->device, device);
            break;
        }
    }
}

/// Whether an attribute is this text with its zero byte.
static int is_text(const attribute_t *attribute, const char *text) {
    size_t length = strlen(text) + 1;
    return mnl_attr_get_payload_len(attribute) >= length && !memcmp(mnl_attr_get_payload(attribute), text, length);
}

static void read_counter(const attribute_t *expressions, struct outrider_nft_row *row) {
    const attribute_t *expression, *part, *value;
    mnl_attr_for_each_nested(expression, expressions) {
        int counter = 0;
        mnl_attr_for_each_nested(part, expression) {
            if (mnl_attr_get_type(part) == NFTA_EXPR_NAME) counter = is_text(part, "counter");
            if (mnl_attr_get_type(part) != NFTA_EXPR_DATA || !counter) continue;
            row->has_counter = 1;
            mnl_attr_for_each_nested(value, part) {
                if (mnl_attr_get_type(value) == NFTA_COUNTER_PACKETS) row->packets = get_u64(value);
                if (mnl_attr_get_type(value) == NFTA_COUNTER_BYTES) row->bytes = get_u64(value);
            }
        }
    }
}

/// libmnl rounds a message's length up and reads to there; the kernel fills every message up itself.
static int is_nft(const void *message, size_t length) {
    const struct nlmsghdr *header = message;
    return length >= sizeof *header && header->nlmsg_len >= NLMSG_LENGTH(sizeof(struct nfgenmsg)) &&
           header->nlmsg_len <= length && header->nlmsg_len % NLMSG_ALIGNTO == 0;
}

static void read_table(uint16_t type, const attribute_t *attribute, struct outrider_nft_row *row) {
    if (type == NFTA_TABLE_NAME) copy_text(row->table, sizeof row->table, attribute);
    if (type == NFTA_TABLE_USERDATA) read_comment(attribute, row->comment, sizeof row->comment);
}

static void read_chain(uint16_t type, const attribute_t *attribute, struct outrider_nft_row *row) {
    switch (type) {
    case NFTA_CHAIN_TABLE: copy_text(row->table, sizeof row->table, attribute); break;
    case NFTA_CHAIN_NAME: copy_text(row->chain, sizeof row->chain, attribute); break;
    case NFTA_CHAIN_HOOK: read_hook(attribute, row); break;
    case NFTA_CHAIN_POLICY: row->policy = get_u32(attribute); break;
    }
}

static void read_rule(uint16_t type, const attribute_t *attribute, struct outrider_nft_row *row) {
    switch (type) {
    case NFTA_RULE_TABLE: copy_text(row->table, sizeof row->table, attribute); break;
    case NFTA_RULE_CHAIN: copy_text(row->chain, sizeof row->chain, attribute); break;
    case NFTA_RULE_USERDATA: read_comment(attribute, row->comment, sizeof row->comment); break;
    case NFTA_RULE_EXPRESSIONS: read_counter(attribute, row); break;
    }
}

int outrider_nft_parse_row(
    const void *message, size_t length, enum outrider_nft_kind kind, struct outrider_nft_row *row) {
    memset(row, 0, sizeof *row);
    if (!is_nft(message, length)) return -EBADMSG;
    row->family = ((const struct nfgenmsg *)mnl_nlmsg_get_payload(message))->nfgen_family;
    const attribute_t *attribute;
    mnl_attr_for_each(attribute, message, sizeof(struct nfgenmsg)) {
        uint16_t type = mnl_attr_get_type(attribute);
        if (kind == OUTRIDER_NFT_TABLES) read_table(type, attribute, row);
        if (kind == OUTRIDER_NFT_CHAINS) read_chain(type, attribute, row);
        if (kind == OUTRIDER_NFT_RULES) read_rule(type, attribute, row);
    }
    return 0;
}

static int read_value(const attribute_t *nest, uint8_t *target, uint32_t *length) {
    const attribute_t *value;
    mnl_attr_for_each_nested(value, nest) {
        if (mnl_attr_get_type(value) != NFTA_DATA_VALUE) continue;
        if (mnl_attr_get_payload_len(value) > 64) return -EBADMSG;
        *length = mnl_attr_get_payload_len(value);
        memcpy(target, mnl_attr_get_payload(value), *length);
    }
    return 0;
}

static int read_element(const attribute_t *entry, struct outrider_nft_element *element) {
    const attribute_t *part;
    int result = 0;
    memset(element, 0, sizeof *element);
    mnl_attr_for_each_nested(part, entry) {
        if (mnl_attr_get_type(part) == NFTA_SET_ELEM_KEY) result |= read_value(part, element->key, &element->key_length);
        if (mnl_attr_get_type(part) == NFTA_SET_ELEM_KEY_END)
            result |= read_value(part, element->end, &element->end_length);
    }
    return result ? -EBADMSG : 1;
}

int outrider_nft_next_element(
    const void *message, size_t length, size_t *cursor, struct outrider_nft_element *element) {
    if (!is_nft(message, length)) return -EBADMSG;
    const attribute_t *attribute, *entry;
    mnl_attr_for_each(attribute, message, sizeof(struct nfgenmsg)) {
        if (mnl_attr_get_type(attribute) != NFTA_SET_ELEM_LIST_ELEMENTS) continue;
        if (*cursor == 0) *cursor = (size_t)((const uint8_t *)mnl_attr_get_payload(attribute) - (const uint8_t *)message);
        const uint8_t *end = (const uint8_t *)attribute + attribute->nla_len;
        entry = (const attribute_t *)((const uint8_t *)message + *cursor);
        if ((const uint8_t *)entry >= end || !mnl_attr_ok(entry, (int)(end - (const uint8_t *)entry))) return 0;
        *cursor += (size_t)MNL_ALIGN(entry->nla_len);
        return read_element(entry, element);
    }
    return 0;
}
