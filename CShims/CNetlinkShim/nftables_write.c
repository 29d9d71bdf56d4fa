#include "nftables.h"

#include <arpa/inet.h>
#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/if_packet.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <string.h>

#define TYPE(message) ((NFNL_SUBSYS_NFTABLES << 8) | (message))
/// Of libnftnl's udata.h: the type of the comment in the user data of tables and rules.
#define UDATA_COMMENT 0
#define COMMENT_MAX 120
/// Every text and key that a caller passes must fit this, so that a message stays within OUTRIDER_NFT_MESSAGE_MAX.
#define TEXT_MAX 63

typedef struct outrider_nft_batch batch_t;
typedef struct nlmsghdr message_t;
typedef struct nlattr attribute_t;

static message_t *current(batch_t *batch) { return (message_t *)(batch->data + batch->message); }

static message_t *put_message(batch_t *batch, uint16_t type, uint8_t family, uint16_t flags, uint16_t resource) {
    if (!batch->error && batch->capacity - batch->used < OUTRIDER_NFT_MESSAGE_MAX) batch->error = -ENOBUFS;
    if (batch->error) return NULL;
    batch->message = batch->used;
    message_t *message = mnl_nlmsg_put_header(batch->data + batch->used);
    message->nlmsg_type = type;
    message->nlmsg_flags = NLM_F_REQUEST | flags;
    message->nlmsg_seq = ++batch->sequence;
    struct nfgenmsg *header = mnl_nlmsg_put_extra_header(message, sizeof *header);
    header->nfgen_family = family;
    header->version = NFNETLINK_V0;
    header->res_id = htons(resource);
    return message;
}

static void close_message(batch_t *batch) { batch->used = batch->message + NLMSG_ALIGN(current(batch)->nlmsg_len); }

static int too_long(batch_t *batch, const char *text) {
    if (!batch->error && text && strlen(text) > TEXT_MAX) batch->error = -ENAMETOOLONG;
    return batch->error;
}

static void put_u32(message_t *message, uint16_t type, uint32_t value) {
    mnl_attr_put_u32(message, type, htonl(value));
}

static void put_comment(message_t *message, uint16_t type, const char *comment) {
    uint8_t data[COMMENT_MAX + 3];
    size_t length = strnlen(comment, COMMENT_MAX);
    data[0] = UDATA_COMMENT;
    data[1] = (uint8_t)(length + 1);
    memcpy(data + 2, comment, length);
    data[2 + length] = 0;
    mnl_attr_put(message, type, length + 3, data);
}

void outrider_nft_begin(batch_t *batch) {
    if (put_message(batch, NFNL_MSG_BATCH_BEGIN, AF_UNSPEC, 0, NFNL_SUBSYS_NFTABLES)) close_message(batch);
}

void outrider_nft_end(batch_t *batch) {
    if (batch->error) return;
    current(batch)->nlmsg_flags |= NLM_F_ACK;
    if (put_message(batch, NFNL_MSG_BATCH_END, AF_UNSPEC, 0, NFNL_SUBSYS_NFTABLES)) close_message(batch);
}

void outrider_nft_add_table(batch_t *batch, uint8_t family, const char *table, const char *comment) {
    if (too_long(batch, table)) return;
    message_t *message = put_message(batch, TYPE(NFT_MSG_NEWTABLE), family, NLM_F_CREATE, 0);
    if (!message) return;
    mnl_attr_put_strz(message, NFTA_TABLE_NAME, table);
    put_comment(message, NFTA_TABLE_USERDATA, comment);
    close_message(batch);
}

void outrider_nft_delete_table(batch_t *batch, uint8_t family, const char *table) {
    if (too_long(batch, table)) return;
    message_t *message = put_message(batch, TYPE(NFT_MSG_DELTABLE), family, 0, 0);
    if (!message) return;
    mnl_attr_put_strz(message, NFTA_TABLE_NAME, table);
    close_message(batch);
}

void outrider_nft_add_set(
    batch_t *batch, uint8_t family, const char *table, const char *set, uint32_t id, int interval,
    const struct outrider_nft_field *fields, size_t count) {
    if (too_long(batch, table) || too_long(batch, set)) return;
    message_t *message = put_message(batch, TYPE(NFT_MSG_NEWSET), family, NLM_F_CREATE, 0);
    if (!message) return;
    uint32_t type = 0, length = 0, flags = (count > 1 ? NFT_SET_CONCAT : 0) | (interval ? NFT_SET_INTERVAL : 0);
    for (size_t i = 0; i < count; i++) {
        // nft packs six bits per field.
        type = type << 6 | fields[i].type;
        length += (fields[i].length + 3) / 4 * 4;
    }
    mnl_attr_put_strz(message, NFTA_SET_TABLE, table);
    mnl_attr_put_strz(message, NFTA_SET_NAME, set);
    put_u32(message, NFTA_SET_FLAGS, flags);
    put_u32(message, NFTA_SET_KEY_TYPE, type);
    put_u32(message, NFTA_SET_KEY_LEN, length);
    put_u32(message, NFTA_SET_ID, id);
    attribute_t *description = mnl_attr_nest_start(message, NFTA_SET_DESC);
    if (count > 1) {
        attribute_t *concatenation = mnl_attr_nest_start(message, NFTA_SET_DESC_CONCAT);
        for (size_t i = 0; i < count; i++) {
            attribute_t *field = mnl_attr_nest_start(message, NFTA_LIST_ELEM);
            // Bytes, whatever the header's comment says.
            put_u32(message, NFTA_SET_FIELD_LEN, fields[i].length);
            mnl_attr_nest_end(message, field);
        }
        mnl_attr_nest_end(message, concatenation);
    }
    mnl_attr_nest_end(message, description);
    close_message(batch);
}

void outrider_nft_add_chain(
    batch_t *batch, uint8_t family, const char *table, const char *chain, uint32_t hook, int32_t priority,
    const char *device, uint32_t policy) {
    if (too_long(batch, table) || too_long(batch, chain) || too_long(batch, device)) return;
    message_t *message = put_message(batch, TYPE(NFT_MSG_NEWCHAIN), family, NLM_F_CREATE, 0);
    if (!message) return;
    mnl_attr_put_strz(message, NFTA_CHAIN_TABLE, table);
    mnl_attr_put_strz(message, NFTA_CHAIN_NAME, chain);
    attribute_t *nest = mnl_attr_nest_start(message, NFTA_CHAIN_HOOK);
    put_u32(message, NFTA_HOOK_HOOKNUM, hook);
    put_u32(message, NFTA_HOOK_PRIORITY, (uint32_t)priority);
    if (device) mnl_attr_put_strz(message, NFTA_HOOK_DEV, device);
    mnl_attr_nest_end(message, nest);
    mnl_attr_put_strz(message, NFTA_CHAIN_TYPE, "filter");
    put_u32(message, NFTA_CHAIN_POLICY, policy);
    close_message(batch);
}

void outrider_nft_delete_chain(batch_t *batch, uint8_t family, const char *table, const char *chain) {
    if (too_long(batch, table) || too_long(batch, chain)) return;
    message_t *message = put_message(batch, TYPE(NFT_MSG_DELCHAIN), family, 0, 0);
    if (!message) return;
    mnl_attr_put_strz(message, NFTA_CHAIN_TABLE, table);
    mnl_attr_put_strz(message, NFTA_CHAIN_NAME, chain);
    close_message(batch);
}

static void put_value(message_t *message, uint16_t type, const uint8_t *value, uint32_t length) {
    attribute_t *nest = mnl_attr_nest_start(message, type);
    mnl_attr_put(message, NFTA_DATA_VALUE, length, value);
    mnl_attr_nest_end(message, nest);
}

static void put_element(
    batch_t *batch, uint16_t type, uint16_t flags, uint8_t family, const char *table, const char *set,
    const uint8_t *key, const uint8_t *end, uint32_t length) {
    if (too_long(batch, table) || too_long(batch, set)) return;
    if (length > 64) batch->error = -EINVAL;
    message_t *message = put_message(batch, TYPE(type), family, flags, 0);
    if (!message) return;
    mnl_attr_put_strz(message, NFTA_SET_ELEM_LIST_TABLE, table);
    mnl_attr_put_strz(message, NFTA_SET_ELEM_LIST_SET, set);
    attribute_t *list = mnl_attr_nest_start(message, NFTA_SET_ELEM_LIST_ELEMENTS);
    attribute_t *element = mnl_attr_nest_start(message, NFTA_LIST_ELEM);
    put_value(message, NFTA_SET_ELEM_KEY, key, length);
    if (end) put_value(message, NFTA_SET_ELEM_KEY_END, end, length);
    mnl_attr_nest_end(message, element);
    mnl_attr_nest_end(message, list);
    close_message(batch);
}

void outrider_nft_add_element(
    batch_t *batch, uint8_t family, const char *table, const char *set, const uint8_t *key, const uint8_t *end,
    uint32_t length, int exclusive) {
    put_element(
        batch, NFT_MSG_NEWSETELEM, NLM_F_CREATE | (exclusive ? NLM_F_EXCL : 0), family, table, set, key, end, length);
}

void outrider_nft_delete_element(
    batch_t *batch, uint8_t family, const char *table, const char *set, const uint8_t *key, const uint8_t *end,
    uint32_t length) {
    put_element(batch, NFT_MSG_DELSETELEM, 0, family, table, set, key, end, length);
}

// Rules.

void outrider_nft_begin_rule(
    batch_t *batch, uint8_t family, const char *table, const char *chain, const char *comment) {
    if (too_long(batch, table) || too_long(batch, chain)) return;
    message_t *message = put_message(batch, TYPE(NFT_MSG_NEWRULE), family, NLM_F_CREATE | NLM_F_APPEND, 0);
    if (!message) return;
    mnl_attr_put_strz(message, NFTA_RULE_TABLE, table);
    mnl_attr_put_strz(message, NFTA_RULE_CHAIN, chain);
    put_comment(message, NFTA_RULE_USERDATA, comment);
    batch->list = (size_t)((uint8_t *)mnl_attr_nest_start(message, NFTA_RULE_EXPRESSIONS) - batch->data);
}

void outrider_nft_end_rule(batch_t *batch) {
    if (batch->error) return;
    mnl_attr_nest_end(current(batch), (attribute_t *)(batch->data + batch->list));
    close_message(batch);
}

/// The open expression: its list entry and its data.
struct expression {
    message_t *message;
    attribute_t *entry, *data;
};

/// The largest expression: name, data and two values of 64 bytes.
#define EXPRESSION_MAX 256

static int open_expression(batch_t *batch, const char *name, struct expression *expression) {
    if (batch->error) return 0;
    message_t *message = current(batch);
    if (message->nlmsg_len + EXPRESSION_MAX > OUTRIDER_NFT_MESSAGE_MAX) {
        batch->error = -EMSGSIZE;
        return 0;
    }
    expression->message = message;
    expression->entry = mnl_attr_nest_start(message, NFTA_LIST_ELEM);
    mnl_attr_put_strz(message, NFTA_EXPR_NAME, name);
    expression->data = mnl_attr_nest_start(message, NFTA_EXPR_DATA);
    return 1;
}

static void close_expression(struct expression *expression) {
    mnl_attr_nest_end(expression->message, expression->data);
    mnl_attr_nest_end(expression->message, expression->entry);
}

void outrider_nft_load_meta(batch_t *batch, uint32_t key, uint32_t target) {
    struct expression expression;
    if (!open_expression(batch, "meta", &expression)) return;
    put_u32(expression.message, NFTA_META_DREG, target);
    put_u32(expression.message, NFTA_META_KEY, key);
    close_expression(&expression);
}

void outrider_nft_load_payload(batch_t *batch, uint32_t base, uint32_t offset, uint32_t length, uint32_t target) {
    struct expression expression;
    if (!open_expression(batch, "payload", &expression)) return;
    put_u32(expression.message, NFTA_PAYLOAD_DREG, target);
    put_u32(expression.message, NFTA_PAYLOAD_BASE, base);
    put_u32(expression.message, NFTA_PAYLOAD_OFFSET, offset);
    put_u32(expression.message, NFTA_PAYLOAD_LEN, length);
    close_expression(&expression);
}

void outrider_nft_write_header(
    batch_t *batch, uint32_t offset, const uint8_t *value, uint32_t length, uint32_t target) {
    struct expression expression;
    if (length > 16 && !batch->error) batch->error = -EINVAL;
    if (!open_expression(batch, "immediate", &expression)) return;
    put_u32(expression.message, NFTA_IMMEDIATE_DREG, target);
    put_value(expression.message, NFTA_IMMEDIATE_DATA, value, length);
    close_expression(&expression);
    if (!open_expression(batch, "payload", &expression)) return;
    put_u32(expression.message, NFTA_PAYLOAD_SREG, target);
    put_u32(expression.message, NFTA_PAYLOAD_BASE, NFT_PAYLOAD_NETWORK_HEADER);
    put_u32(expression.message, NFTA_PAYLOAD_OFFSET, offset);
    put_u32(expression.message, NFTA_PAYLOAD_LEN, length);
    put_u32(expression.message, NFTA_PAYLOAD_CSUM_TYPE, NFT_PAYLOAD_CSUM_NONE);
    put_u32(expression.message, NFTA_PAYLOAD_CSUM_OFFSET, 0);
    put_u32(expression.message, NFTA_PAYLOAD_CSUM_FLAGS, NFT_PAYLOAD_L4CSUM_PSEUDOHDR);
    close_expression(&expression);
}

void outrider_nft_load_tunnel_id(batch_t *batch, uint32_t target) {
    struct expression expression;
    if (!open_expression(batch, "tunnel", &expression)) return;
    put_u32(expression.message, NFTA_TUNNEL_KEY, NFT_TUNNEL_ID);
    put_u32(expression.message, NFTA_TUNNEL_DREG, target);
    close_expression(&expression);
    // The expression stores the id in host order.
    if (!open_expression(batch, "byteorder", &expression)) return;
    put_u32(expression.message, NFTA_BYTEORDER_SREG, target);
    put_u32(expression.message, NFTA_BYTEORDER_DREG, target);
    put_u32(expression.message, NFTA_BYTEORDER_OP, NFT_BYTEORDER_HTON);
    put_u32(expression.message, NFTA_BYTEORDER_LEN, 4);
    put_u32(expression.message, NFTA_BYTEORDER_SIZE, 4);
    close_expression(&expression);
}

void outrider_nft_mask(batch_t *batch, uint32_t target, const uint8_t *mask, uint32_t length) {
    static const uint8_t zero[16];
    struct expression expression;
    if (length > sizeof zero && !batch->error) batch->error = -EINVAL;
    if (!open_expression(batch, "bitwise", &expression)) return;
    put_u32(expression.message, NFTA_BITWISE_SREG, target);
    put_u32(expression.message, NFTA_BITWISE_DREG, target);
    put_u32(expression.message, NFTA_BITWISE_LEN, length);
    put_value(expression.message, NFTA_BITWISE_MASK, mask, length);
    put_value(expression.message, NFTA_BITWISE_XOR, zero, length);
    close_expression(&expression);
}

void outrider_nft_compare(
    batch_t *batch, uint32_t source, uint32_t operation, const uint8_t *value, uint32_t length) {
    struct expression expression;
    if (length > 64 && !batch->error) batch->error = -EINVAL;
    if (!open_expression(batch, "cmp", &expression)) return;
    put_u32(expression.message, NFTA_CMP_SREG, source);
    put_u32(expression.message, NFTA_CMP_OP, operation);
    put_value(expression.message, NFTA_CMP_DATA, value, length);
    close_expression(&expression);
}

void outrider_nft_lookup(batch_t *batch, const char *set, uint32_t id, uint32_t source) {
    struct expression expression;
    if (too_long(batch, set) || !open_expression(batch, "lookup", &expression)) return;
    mnl_attr_put_strz(expression.message, NFTA_LOOKUP_SET, set);
    put_u32(expression.message, NFTA_LOOKUP_SREG, source);
    if (id) put_u32(expression.message, NFTA_LOOKUP_SET_ID, id);
    close_expression(&expression);
}

void outrider_nft_count(batch_t *batch) {
    struct expression expression;
    if (open_expression(batch, "counter", &expression)) close_expression(&expression);
}

void outrider_nft_set_host(batch_t *batch) {
    static const uint8_t host[4] = {PACKET_HOST};
    struct expression expression;
    if (!open_expression(batch, "immediate", &expression)) return;
    put_u32(expression.message, NFTA_IMMEDIATE_DREG, NFT_REG32_00);
    put_value(expression.message, NFTA_IMMEDIATE_DATA, host, sizeof host);
    close_expression(&expression);
    if (!open_expression(batch, "meta", &expression)) return;
    put_u32(expression.message, NFTA_META_KEY, NFT_META_PKTTYPE);
    put_u32(expression.message, NFTA_META_SREG, NFT_REG32_00);
    close_expression(&expression);
}

void outrider_nft_untrack(batch_t *batch) {
    struct expression expression;
    if (open_expression(batch, "notrack", &expression)) close_expression(&expression);
}

void outrider_nft_verdict(batch_t *batch, uint32_t code) {
    struct expression expression;
    if (!open_expression(batch, "immediate", &expression)) return;
    put_u32(expression.message, NFTA_IMMEDIATE_DREG, NFT_REG_VERDICT);
    attribute_t *data = mnl_attr_nest_start(expression.message, NFTA_IMMEDIATE_DATA);
    attribute_t *verdict = mnl_attr_nest_start(expression.message, NFTA_DATA_VERDICT);
    put_u32(expression.message, NFTA_VERDICT_CODE, code);
    mnl_attr_nest_end(expression.message, verdict);
    mnl_attr_nest_end(expression.message, data);
    close_expression(&expression);
}
