#include "telemetry.h"

#include <endian.h>
#include <linux/genetlink.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/taskstats.h>

#include "nl_builder.h"
#include "nl_socket.h"

int outrider_nl_send_stamped(int fd, const void *message, size_t length, uint32_t sequence) {
    uint8_t copy[4096];
    if (length < sizeof(struct nlmsghdr) || length > sizeof copy) return -EMSGSIZE;
    memcpy(copy, message, length);
    outrider_nl_stamp(copy, sequence, 0);
    return outrider_nl_send(fd, copy, length);
}

/// Adds the rows of one message; returns their number or a negative errno.
typedef int row_reader(const struct nlmsghdr *message, void *rows, size_t capacity, size_t count);

static int read_datagram(
    const void *datagram, size_t length, void *rows, size_t capacity, struct outrider_dump *dump, row_reader *reader) {
    size_t offset = 0;
    while (offset < length) {
        struct outrider_nl_header header;
        int next = outrider_nl_header_at(datagram, length, offset, &header);
        if (next < 0) return next;
        const struct nlmsghdr *message = (const struct nlmsghdr *)((const uint8_t *)datagram + offset);
        offset = (size_t)next;
        if (header.type == NLMSG_OVERRUN) return -ENOBUFS;
        if (header.sequence != dump->sequence || header.type == NLMSG_NOOP) continue;
        if (header.flags & NLM_F_DUMP_INTR) dump->interrupted = 1;
        if (header.type == NLMSG_ERROR || header.type == NLMSG_DONE) {
            struct outrider_nl_error error;
            int result = outrider_nl_parse_error(message, header.length, &error);
            if (result < 0) return result;
            return error.error > 0 ? -error.error : 1;
        }
        int added = reader(message, rows, capacity, dump->count);
        if (added < 0) return added;
        dump->count += (size_t)added;
    }
    return 0;
}

static int read_stats(const struct nlmsghdr *message, void *rows, size_t capacity, size_t count) {
    if (message->nlmsg_type != RTM_NEWSTATS) return 0;
    if (count == capacity) return -ENOSPC;
    int result = outrider_nl_stats_parse(message, message->nlmsg_len, (struct outrider_link_counters *)rows + count);
    return result < 0 ? result : 1;
}

int outrider_dump_stats(
    const void *datagram, size_t length, struct outrider_link_counters *rows, size_t capacity,
    struct outrider_dump *dump) {
    return read_datagram(datagram, length, rows, capacity, dump, read_stats);
}

static int read_vnis(const struct nlmsghdr *message, void *rows, size_t capacity, size_t count) {
    if (message->nlmsg_type != RTM_NEWTUNNEL) return 0;
    int32_t index;
    return outrider_nl_vni_parse(
        message, message->nlmsg_len, (struct outrider_vni *)rows + count, capacity - count, &index);
}

int outrider_dump_vnis(
    const void *datagram, size_t length, struct outrider_vni *rows, size_t capacity, struct outrider_dump *dump) {
    return read_datagram(datagram, length, rows, capacity, dump, read_vnis);
}

/// nf_tables speaks network order.
static uint64_t get_be64(const struct nlattr *attribute) { return be64toh(get_u64(attribute)); }

static void read_counter(const struct nlattr *expression, struct outrider_flow *flow) {
    const struct nlattr *table[NFTA_EXPR_MAX + 1], *values[NFTA_COUNTER_MAX + 1];
    sort_nested(expression, table, NFTA_EXPR_MAX + 1);
    const struct nlattr *name = table[NFTA_EXPR_NAME];
    if (!name || !table[NFTA_EXPR_DATA]) return;
    if (mnl_attr_get_payload_len(name) < 8 || memcmp(mnl_attr_get_payload(name), "counter", 8)) return;
    sort_nested(table[NFTA_EXPR_DATA], values, NFTA_COUNTER_MAX + 1);
    if (values[NFTA_COUNTER_PACKETS]) flow->packets = get_be64(values[NFTA_COUNTER_PACKETS]);
    if (values[NFTA_COUNTER_BYTES]) flow->bytes = get_be64(values[NFTA_COUNTER_BYTES]);
}

static int read_flow(const struct nlattr *entry, struct outrider_flow *flow) {
    const struct nlattr *parts[NFTA_SET_ELEM_MAX + 1], *value[NFTA_DATA_MAX + 1];
    memset(flow, 0, sizeof *flow);
    sort_nested(entry, parts, NFTA_SET_ELEM_MAX + 1);
    if (!parts[NFTA_SET_ELEM_KEY]) return -EBADMSG;
    sort_nested(parts[NFTA_SET_ELEM_KEY], value, NFTA_DATA_MAX + 1);
    if (!value[NFTA_DATA_VALUE] || mnl_attr_get_payload_len(value[NFTA_DATA_VALUE]) > sizeof flow->key) return -EBADMSG;
    flow->key_length = mnl_attr_get_payload_len(value[NFTA_DATA_VALUE]);
    memcpy(flow->key, mnl_attr_get_payload(value[NFTA_DATA_VALUE]), flow->key_length);
    if (parts[NFTA_SET_ELEM_EXPR]) read_counter(parts[NFTA_SET_ELEM_EXPR], flow);
    return 0;
}

static int read_flows(const struct nlmsghdr *message, void *rows, size_t capacity, size_t count) {
    if (message->nlmsg_type != ((NFNL_SUBSYS_NFTABLES << 8) | NFT_MSG_NEWSETELEM)) return 0;
    if (message->nlmsg_len < NLMSG_LENGTH(sizeof(struct nfgenmsg)) || !is_padded(message)) return -EBADMSG;
    const struct nlattr *attribute, *entry;
    int added = 0;
    mnl_attr_for_each(attribute, message, sizeof(struct nfgenmsg)) {
        if (mnl_attr_get_type(attribute) != NFTA_SET_ELEM_LIST_ELEMENTS) continue;
        mnl_attr_for_each_nested(entry, attribute) {
            if (count + (size_t)added == capacity) return -ENOSPC;
            int result = read_flow(entry, (struct outrider_flow *)rows + count + added);
            if (result < 0) return result;
            added++;
        }
    }
    return added;
}

int outrider_dump_flows(
    const void *datagram, size_t length, struct outrider_flow *rows, size_t capacity, struct outrider_dump *dump) {
    return read_datagram(datagram, length, rows, capacity, dump, read_flows);
}

// MARK: taskstats

int outrider_taskstats_get(void *buffer, size_t capacity, uint16_t family, uint32_t sequence, uint32_t process) {
    struct nlmsghdr *header = begin(buffer, capacity, family, 0);
    if (!header) return -ENOBUFS;
    header->nlmsg_seq = sequence;
    struct genlmsghdr *head = mnl_nlmsg_put_extra_header(header, sizeof *head);
    head->cmd = TASKSTATS_CMD_GET;
    head->version = TASKSTATS_GENL_VERSION;
    mnl_attr_put_u32(header, TASKSTATS_CMD_ATTR_TGID, process);
    return (int)header->nlmsg_len;
}

int outrider_taskstats_parse(const void *message, size_t length, struct outrider_taskstats *stats) {
    memset(stats, 0, sizeof *stats);
    const struct nlmsghdr *header = message_header(message, length);
    if (!header) return -EBADMSG;
    stats->sequence = header->nlmsg_seq;
    if (header->nlmsg_type == NLMSG_ERROR) {
        struct outrider_nl_error error;
        if (outrider_nl_parse_error(message, length, &error) < 0) return -EBADMSG;
        stats->error = error.error;
        return 0;
    }
    if (header->nlmsg_len < NLMSG_LENGTH(GENL_HDRLEN)) return -EBADMSG;
    const struct nlattr *table[TASKSTATS_TYPE_MAX + 1], *parts[TASKSTATS_TYPE_MAX + 1];
    if (sort_attributes(header, GENL_HDRLEN, table, TASKSTATS_TYPE_MAX + 1) < 0) return -EBADMSG;
    if (!table[TASKSTATS_TYPE_AGGR_TGID]) return -EBADMSG;
    sort_nested(table[TASKSTATS_TYPE_AGGR_TGID], parts, TASKSTATS_TYPE_MAX + 1);
    const struct nlattr *process = parts[TASKSTATS_TYPE_TGID], *data = parts[TASKSTATS_TYPE_STATS];
    if (!process || mnl_attr_get_payload_len(process) < 4 || !data) return -EBADMSG;
    stats->process = mnl_attr_get_u32(process);
    struct taskstats raw = {0};
    stats->length = mnl_attr_get_payload_len(data);
    const size_t needed = offsetof(struct taskstats, cpu_run_virtual_total) + sizeof raw.cpu_run_virtual_total;
    if (stats->length < needed) return -EBADMSG;
    memcpy(&raw, mnl_attr_get_payload(data), stats->length < sizeof raw ? stats->length : sizeof raw);
    stats->version = raw.version;
    // The scheduler's own sum, exact to the nanosecond; the other one is sampled at ticks, and all there is on a kernel
    // without scheduler information.
    stats->cpu_ns = raw.cpu_run_virtual_total ? raw.cpu_run_virtual_total : raw.cpu_run_real_total;
    return 0;
}
