import CNetlinkShim
import Glibc

/// Bytes of one nf_tables transaction. The buffer belongs to the batch and is freed with ``release()``.
@safe struct NFTBatch {
    var raw = unsafe outrider_nft_batch()

    /// - Parameter messages: how many messages it can hold besides its frame.
    init(messages: Int, firstSequence: UInt32) {
        // Messages are far smaller than the limit that the shim keeps free; a table's structure fits the fixed part.
        let capacity = 128 << 10 + messages * 256
        unsafe raw.data = UnsafeMutablePointer<UInt8>.allocate(capacity: capacity)
        // Padding between attributes is skipped, not written: it must not carry what the memory held before.
        unsafe memset(raw.data, 0, capacity)
        unsafe raw.capacity = capacity
        unsafe raw.sequence = firstSequence
        unsafe outrider_nft_begin(&raw)
    }

    /// Sequence number of the last message.
    var sequence: UInt32 { unsafe raw.sequence }

    /// Ends the transaction and returns its bytes.
    mutating func finish() throws(NetlinkError) -> [UInt8] {
        unsafe outrider_nft_end(&raw)
        _ = try checked(unsafe raw.error, "build nf_tables transaction")
        return unsafe Array(UnsafeBufferPointer(start: raw.data, count: raw.used))
    }

    func release() { unsafe raw.data.deallocate() }
}

extension NFTBatch {
    /// A whole table with its sets, chains and rules.
    mutating func add(_ table: NFTTable, comment: String) {
        unsafe outrider_nft_add_table(&raw, table.family.rawValue, table.name, comment)
        for (index, set) in table.sets.enumerated() { add(set, id: UInt32(index + 1), to: table) }
        let ids = Dictionary(uniqueKeysWithValues: table.sets.enumerated().map { ($1.name, UInt32($0 + 1)) })
        for chain in table.chains { add(chain, to: table, setIDs: ids) }
    }

    /// `setIDs` is empty when the sets exist already.
    mutating func add(_ chain: NFTChain, to table: NFTTable, setIDs: [String: UInt32]) {
        let policy: UInt32 = chain.policyDrops ? 0 : 1
        if let device = chain.device {
            unsafe outrider_nft_add_chain(
                &raw, table.family.rawValue, table.name, chain.name, chain.hook, chain.priority, device, policy)
        } else {
            unsafe outrider_nft_add_chain(
                &raw, table.family.rawValue, table.name, chain.name, chain.hook, chain.priority, nil, policy)
        }
        for rule in chain.rules {
            unsafe outrider_nft_begin_rule(&raw, table.family.rawValue, table.name, chain.name, rule.name)
            for step in rule.steps { step.encode(into: &self, sets: setIDs) }
            unsafe outrider_nft_end_rule(&raw)
        }
    }

    private mutating func add(_ set: NFTSet, id: UInt32, to table: NFTTable) {
        let fields = set.fields.map { outrider_nft_field(type: $0.type, length: $0.length) }
        if let dynamic = set.dynamic {
            unsafe outrider_nft_add_dynamic_set(
                &raw, table.family.rawValue, table.name, set.name, id, fields, fields.count, dynamic.sizeMax,
                UInt64(dynamic.timeout.components.seconds) * 1000,
                outrider_nft_meter(rate: UInt64(dynamic.rateMax), burst: dynamic.burst))
            return
        }
        unsafe outrider_nft_add_set(
            &raw, table.family.rawValue, table.name, set.name, id, set.interval ? 1 : 0, fields, fields.count)
    }

    mutating func deleteTable(_ family: NFTFamily, _ name: String) {
        unsafe outrider_nft_delete_table(&raw, family.rawValue, name)
    }

    mutating func deleteChain(_ name: String, of table: NFTTable) {
        unsafe outrider_nft_delete_chain(&raw, table.family.rawValue, table.name, name)
    }

    /// Adds or deletes one element, as a message of its own.
    mutating func change(_ element: NFTElementBytes, delete: Bool) {
        let (family, table, set) = (element.place.family.rawValue, element.place.table, element.place.set)
        let length = UInt32(element.key.count)
        switch (delete, element.end.isEmpty) {
        case (true, true): unsafe outrider_nft_delete_element(&raw, family, table, set, element.key, nil, length)
        case (true, false):
            unsafe outrider_nft_delete_element(&raw, family, table, set, element.key, element.end, length)
        case (false, true): unsafe outrider_nft_add_element(&raw, family, table, set, element.key, nil, length, 0)
        case (false, false):
            // Linux 6.1 acknowledges a contained interval and stores nothing, unless asked to be exclusive.
            unsafe outrider_nft_add_element(&raw, family, table, set, element.key, element.end, length, 1)
        }
    }
}
