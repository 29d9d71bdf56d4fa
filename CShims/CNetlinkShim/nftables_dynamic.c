#include "nftables_dynamic.h"

#include <arpa/inet.h>
#include <endian.h>
#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <string.h>

#define TEXT_MAX 63
/// The largest expression that is added here.
#define EXPRESSION_MAX 256

typedef struct nlmsghdr message_t;
typedef struct nlattr attribute_t;

static void put_u32(message_t *message, uint16_t type, uint32_t value) {
    mnl_attr_put_u32(message, type, htonl(value));
}

void outrider_nft_add_dynamic_set(
    struct outrider_nft_batch *batch, uint8_t family, const char *table, const char *set, uint32_t id,
    const struct outrider_nft_field *fields, size_t count, uint32_t size, uint64_t timeout_ms,
    struct outrider_nft_meter meter) {
    if (batch->error) return;
    if (strlen(table) > TEXT_MAX || strlen(set) > TEXT_MAX) batch->error = -ENAMETOOLONG;
    if (batch->capacity - batch->used < OUTRIDER_NFT_MESSAGE_MAX) batch->error = -ENOBUFS;
    if (batch->error) return;
    batch->message = batch->used;
    message_t *message = mnl_nlmsg_put_header(batch->data + batch->used);
    message->nlmsg_type = (NFNL_SUBSYS_NFTABLES << 8) | NFT_MSG_NEWSET;
    message->nlmsg_flags = NLM_F_REQUEST | NLM_F_CREATE;
    message->nlmsg_seq = ++batch->sequence;
    struct nfgenmsg *header = mnl_nlmsg_put_extra_header(message, sizeof *header);
    header->nfgen_family = family;
    uint32_t type = 0, length = 0;
    for (size_t i = 0; i < count; i++) {
        type = type << 6 | fields[i].type;
        length += (fields[i].length + 3) / 4 * 4;
    }
    mnl_attr_put_strz(message, NFTA_SET_TABLE, table);
    mnl_attr_put_strz(message, NFTA_SET_NAME, set);
    put_u32(message, NFTA_SET_FLAGS, NFT_SET_EVAL | NFT_SET_TIMEOUT | (count > 1 ? NFT_SET_CONCAT : 0));
    put_u32(message, NFTA_SET_KEY_TYPE, type);
    put_u32(message, NFTA_SET_KEY_LEN, length);
    put_u32(message, NFTA_SET_ID, id);
    mnl_attr_put_u64(message, NFTA_SET_TIMEOUT, htobe64(timeout_ms));
    attribute_t *description = mnl_attr_nest_start(message, NFTA_SET_DESC);
    put_u32(message, NFTA_SET_DESC_SIZE, size);
    if (count > 1) {
        attribute_t *concatenation = mnl_attr_nest_start(message, NFTA_SET_DESC_CONCAT);
        for (size_t i = 0; i < count; i++) {
            attribute_t *field = mnl_attr_nest_start(message, NFTA_LIST_ELEM);
            put_u32(message, NFTA_SET_FIELD_LEN, fields[i].length);
            mnl_attr_nest_end(message, field);
        }
        mnl_attr_nest_end(message, concatenation);
    }
    mnl_attr_nest_end(message, description);
    attribute_t *expression = mnl_attr_nest_start(message, NFTA_SET_EXPR);
    mnl_attr_put_strz(message, NFTA_EXPR_NAME, meter.rate ? "limit" : "counter");
    if (meter.rate) {
        attribute_t *data = mnl_attr_nest_start(message, NFTA_EXPR_DATA);
        mnl_attr_put_u64(message, NFTA_LIMIT_RATE, htobe64(meter.rate));
        mnl_attr_put_u64(message, NFTA_LIMIT_UNIT, htobe64(1));
        put_u32(message, NFTA_LIMIT_BURST, meter.burst);
        put_u32(message, NFTA_LIMIT_TYPE, NFT_LIMIT_PKTS);
        mnl_attr_nest_end(message, data);
    }
    mnl_attr_nest_end(message, expression);
    batch->used = batch->message + NLMSG_ALIGN(message->nlmsg_len);
}

void outrider_nft_update(struct outrider_nft_batch *batch, const char *set, uint32_t id, uint32_t source) {
    if (batch->error) return;
    message_t *message = (message_t *)(batch->data + batch->message);
    if (strlen(set) > TEXT_MAX) batch->error = -ENAMETOOLONG;
    if (message->nlmsg_len + EXPRESSION_MAX > OUTRIDER_NFT_MESSAGE_MAX) batch->error = -EMSGSIZE;
    if (batch->error) return;
    attribute_t *entry = mnl_attr_nest_start(message, NFTA_LIST_ELEM);
    mnl_attr_put_strz(message, NFTA_EXPR_NAME, "dynset");
    attribute_t *data = mnl_attr_nest_start(message, NFTA_EXPR_DATA);
    mnl_attr_put_strz(message, NFTA_DYNSET_SET_NAME, set);
    if (id) put_u32(message, NFTA_DYNSET_SET_ID, id);
    put_u32(message, NFTA_DYNSET_OP, NFT_DYNSET_OP_UPDATE);
    put_u32(message, NFTA_DYNSET_SREG_KEY, source);
    mnl_attr_nest_end(message, data);
    mnl_attr_nest_end(message, entry);
}
