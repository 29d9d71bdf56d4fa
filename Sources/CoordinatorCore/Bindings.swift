import FleetProtocol
import NetworkTypes

/// What is bound where, as the hosts reported. The hosts are the authority; this view can always be rebuilt from them.
struct BindingTable: Hashable, Sendable {
    struct Entry: Hashable, Sendable, Codable {
        var record: BindingRecord
        /// First identifier of the leased block around it, when it came.
        var block: UInt32?
        /// Counted as a launch: an inventory is not one, the report that follows it is.
        var counted: Bool
    }
    struct Use: Hashable, Sendable {
        /// Bound or held.
        var inUse = 0
        var cooling = 0
    }

    private(set) var byHost: [HostID: [UInt32: Entry]] = [:]
    private(set) var byBlock: [UInt32: Use] = [:]
    private(set) var byApplication: [ApplicationID: Int] = [:]
    private(set) var bySeat: [ApplicationID: [HostID: Int]] = [:]
    private(set) var bySession: [SessionID: Int] = [:]
    private(set) var boundByHost: [HostID: Int] = [:]
    private(set) var total = 0

    /// The new state of one identifier; `ended` removes it.
    mutating func set(_ record: BindingRecord, on host: HostID, block: UInt32?, counted: Bool) {
        let key = record.sni.rawValue
        if let old = byHost[host]?[key] { count(old, host, -1) }
        guard record.state != .ended else {
            byHost[host]?[key] = nil
            if byHost[host]?.isEmpty ?? false { byHost[host] = nil }
            return
        }
        let entry = Entry(record: record, block: block, counted: counted)
        byHost[host, default: [:]][key] = entry
        count(entry, host, 1)
    }

    mutating func removeAll(of host: HostID) {
        for entry in (byHost[host] ?? [:]).values { count(entry, host, -1) }
        byHost[host] = nil
    }

    private mutating func count(_ entry: Entry, _ host: HostID, _ sign: Int) {
        let record = entry.record
        let inUse = record.state == .bound || record.state == .held
        if let block = entry.block {
            var use = byBlock[block] ?? Use()
            if inUse { use.inUse += sign } else { use.cooling += sign }
            byBlock[block] = use == Use() ? nil : use
        }
        guard inUse else { return }
        total += sign
        Self.add(sign, record.application, &byApplication)
        Self.add(sign, host, &boundByHost)
        Self.add(sign, host, &bySeat[record.application, default: [:]])
        if bySeat[record.application]?.isEmpty ?? false { bySeat[record.application] = nil }
        if let session = record.session { Self.add(sign, session, &bySession) }
    }

    private static func add<Key: Hashable>(_ sign: Int, _ key: Key, _ table: inout [Key: Int]) {
        let value = (table[key] ?? 0) + sign
        table[key] = value == 0 ? nil : value
    }

    func use(of block: SNIBlock) -> Use { byBlock[block.key] ?? Use() }

    /// Bound or held interfaces inside a block, by identifier.
    func users(of block: SNIBlock, on host: HostID) -> [VMInterface] {
        guard use(of: block).inUse > 0, let entries = byHost[host] else { return [] }
        return block.identifiers.compactMap { sni in
            guard let record = entries[sni.rawValue]?.record, record.state == .bound || record.state == .held else {
                return nil
            }
            return record.interface
        }
    }
}
