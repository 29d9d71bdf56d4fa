import CNetlinkShim

/// Family and name of a table.
struct TableKey: Hashable, CustomStringConvertible {
    var family: UInt8
    var name: String

    init(family: UInt8, name: String) {
        self.family = family
        self.name = name
    }
    init(_ table: NFTTable) { self.init(family: table.family.rawValue, name: table.name) }

    var description: String {
        let names: [UInt8: String] = [1: "inet", 2: "ip", 3: "arp", 5: "netdev", 7: "bridge", 10: "ip6"]
        return "\(names[family] ?? "family \(family)") \(name)"
    }
}

/// A table, chain or rule as dumped.
struct NFTRow {
    var tableKey: TableKey
    var chain: String
    var comment: String
    var device: String
    var hook: UInt32?
    var priority: Int32
    var policyDrops: Bool
    var hasCounter: Bool
    var packets: UInt64
    var bytes: UInt64

    init(_ raw: outrider_nft_row) {
        var raw = raw
        func text<T>(_ field: inout T) -> String {
            unsafe withUnsafeBytes(of: &field) { unsafe String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
        }
        tableKey = TableKey(family: raw.family, name: text(&raw.table))
        chain = text(&raw.chain)
        comment = text(&raw.comment)
        device = text(&raw.device)
        hook = raw.has_hook != 0 ? raw.hook : nil
        priority = raw.priority
        policyDrops = raw.policy == 0
        hasCounter = raw.has_counter != 0
        packets = raw.packets
        bytes = raw.bytes
    }
}

/// What the namespace holds of tables, chains and rules.
struct Snapshot {
    private let comments: [TableKey: String]
    private let chains: [TableKey: [NFTRow]]
    private let rules: [TableKey: [NFTRow]]

    enum State: Equatable {
        case good
        case missing
        /// Another version, or changed by somebody.
        case broken
        /// Sets are in place, but not the chain on the device.
        case chainBroken
    }

    init(tables: [NFTRow], chains: [NFTRow], rules: [NFTRow]) {
        comments = Dictionary(tables.map { ($0.tableKey, $0.comment) }) { first, _ in first }
        self.chains = Dictionary(grouping: chains, by: \.tableKey)
        self.rules = Dictionary(grouping: rules, by: \.tableKey)
    }

    func contains(_ table: NFTTable) -> Bool { comments[TableKey(table)] != nil }

    func chainNames(of table: NFTTable) -> [String] { (chains[TableKey(table)] ?? []).map(\.chain) }

    func state(of table: NFTTable) -> State {
        let key = TableKey(table)
        guard let comment = comments[key] else { return .missing }
        guard comment == NFTStructure.version else { return .broken }
        let present = chains[key] ?? []
        let sound =
            present.count == table.chains.count
            && table.chains.allSatisfy { chain in
                present.contains { matches($0, chain) } && ruleNames(of: chain, in: key) == chain.rules.map(\.name)
            }
        if sound { return .good }
        return table.family == .netdev ? .chainBroken : .broken
    }

    private func matches(_ row: NFTRow, _ chain: NFTChain) -> Bool {
        row.chain == chain.name && row.hook == chain.hook && row.priority == chain.priority
            && row.policyDrops == chain.policyDrops && row.device == (chain.device ?? "")
    }

    private func ruleNames(of chain: NFTChain, in key: TableKey) -> [String] {
        (rules[key] ?? []).filter { $0.chain == chain.name }.map(\.comment)
    }
}
