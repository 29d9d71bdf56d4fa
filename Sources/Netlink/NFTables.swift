import CNetlinkShim
public import Dataplane
import Glibc
public import NetworkTypes

/// nf_tables of one namespace: the structure of our tables, and the elements of their sets.
///
/// Works from Linux 6.1 on: no message that came later (reset, destroy) is used, and no acknowledgement of a transaction's
/// end is expected. A transaction counts as committed only when no answer carries an error.
public final class NFTables {
    /// Which tables, and so which namespace.
    public enum Role: Hashable, Sendable {
        /// Filtering of the overlay's namespace, with the VXLAN device of that name and the plan of its addresses.
        /// `answers`: what asks for an address reaches the host's own sockets (``GuestServer``).
        case overlay(device: String, plan: OverlayPlan = .standard, answers: Bool = true)
        /// The one table of the host's own namespace: nobody but a known tunnel endpoint reaches our UDP port.
        case underlay(vxlanPort: UInt16)
        /// The one table of the overlay's namespace that counts who sends how much to whom.
        /// `sizeMax`: pairs per family.
        case flows(device: String, sizeMax: UInt32 = 65_535)
    }

    /// NETLINK_NETFILTER of linux/netlink.h.
    static let netfilterProtocol: Int32 = 12

    let role: Role
    let tables: [NFTTable]
    let socket: NetlinkSocket
    /// Messages that a committed transaction carried: a run that finds everything in place adds none.
    public private(set) var writes = 0

    public convenience init(_ role: Role, in sockets: NamespaceSockets) throws(NetlinkError) {
        try self.init(role, adopting: NetlinkSocket(protocol: Self.netfilterProtocol, in: sockets))
    }

    /// For a scripted kernel.
    init(_ role: Role, adopting socket: NetlinkSocket) {
        self.role = role
        self.socket = socket
        tables =
            switch role {
            case .overlay(let device, let plan, let answers):
                NFTStructure.overlay(device: device, plan: plan, answers: answers)
            case .underlay(let port): [NFTStructure.underlay(vxlanPort: port)]
            case .flows(let device, let size): [NFTStructure.flows(device: device, sizeMax: size)]
            }
    }

    /// Names of our tables here.
    public var names: Set<String> { Set(tables.map(\.name)) }
    /// Netlink port of the socket: the sender that notifications of its changes name.
    public var port: UInt32 { outrider_nl_port(socket.fd) }

    /// What became of a list of operations.
    public struct Outcome: Sendable {
        public var completed: [KernelOperation] = []
        public var failed: [(operation: KernelOperation, error: NetlinkError)] = []
    }

    /// Adds and deletes elements in one transaction, in the order given; the operations that the kernel refuses are left
    /// out and the rest is committed. Deleting what is not there counts as done.
    ///
    /// - Throws: when the transaction as a whole failed, or when its fate is unknown (lost answers): dump then.
    public func apply(_ operations: [KernelOperation]) throws(NetlinkError) -> Outcome {
        var outcome = Outcome()
        var changes: [Change] = []
        for (index, operation) in operations.enumerated() {
            guard case .element(let element) = operation.key else {
                let error = NetlinkError(operation: "filter", object: "\(operation.key)", code: EINVAL)
                outcome.failed.append((operation, error))
                continue
            }
            changes.append(Change(index: index, bytes: NFTElementBytes(element), delete: operation.isDelete))
        }
        let rejected = try transact(changes)
        for change in changes {
            let operation = operations[change.index]
            switch rejected[change.index] {
            case nil: outcome.completed.append(operation)
            case ENOENT where change.delete: outcome.completed.append(operation)
            case .some(let code):
                let verb = change.delete ? "delete" : "add"
                outcome.failed.append(
                    (operation, NetlinkError(operation: verb, object: "\(operation.key)", code: code)))
            }
        }
        return outcome
    }

    /// Everything in one of our sets; empty when the table is not there.
    public func dump(_ set: FilterSet) throws(NetlinkError) -> [FilterElement] {
        let place = NFTPlace(set)
        let rows: [NetlinkAnswer]
        do throws(NetlinkError) {
            rows = try query(OUTRIDER_NFT_ELEMENTS, family: place.family.rawValue, table: place.table, set: place.set)
        } catch {
            guard error.isNotFound else { throw error }
            return []
        }
        var elements: [FilterElement] = []
        for row in rows {
            var cursor = 0
            var raw = outrider_nft_element()
            while true {
                let found = unsafe row.bytes.withUnsafeBytes {
                    unsafe outrider_nft_next_element($0.baseAddress, $0.count, &cursor, &raw)
                }
                guard try checked(found, "read element of", place.set) == 1 else { break }
                let key = unsafe withUnsafeBytes(of: &raw.key) { unsafe Array($0.prefix(Int(raw.key_length))) }
                let end = unsafe withUnsafeBytes(of: &raw.end) { unsafe Array($0.prefix(Int(raw.end_length))) }
                elements.append(FilterElement(set: set, key: key, end: end))
            }
        }
        return elements
    }

    /// Packets and bytes that a rule dropped.
    public struct DropCounter: Hashable, Sendable {
        public var packets: UInt64
        public var bytes: UInt64
    }

    /// Counters of the rules that drop, by reason: the word after `drop` in the rule's name. They start anew when a table
    /// is made anew.
    public func dropCounters() throws(NetlinkError) -> [String: DropCounter] {
        let ours = Set(tables.map { TableKey($0) })
        var result: [String: DropCounter] = [:]
        for row in try rows(OUTRIDER_NFT_RULES)
        where row.hasCounter && row.comment.hasPrefix("drop ") && ours.contains(row.tableKey) {
            let reason = String(row.comment.dropFirst(5).prefix { $0 != " " })
            result[reason, default: DropCounter(packets: 0, bytes: 0)].packets += row.packets
            result[reason]?.bytes += row.bytes
        }
        return result
    }

    /// Tables of others in this namespace, as `FAMILY NAME`: left alone, and worth a report.
    public func foreignTables() throws(NetlinkError) -> [String] {
        let ours = Set((tables + [NFTStructure.flows(device: "", sizeMax: 0)]).map { TableKey($0) })
        return try rows(OUTRIDER_NFT_TABLES).map(\.tableKey).filter { !ours.contains($0) }.map(\.description).sorted()
    }
}

// MARK: - Structure

extension NFTables {
    /// Makes every table, set, chain and rule what it should be; writes nothing when all is in place.
    ///
    /// A table that is missing, of another version or tampered with is replaced in one transaction together with its
    /// elements, so there is no moment without it. The chain on the VXLAN device alone is rebuilt when its hook has lost
    /// the device: up to Linux 6.12 a device that is re-made comes back without it, and wrong ids would pass.
    ///
    /// - Parameters:
    ///   - elements: what the sets should hold; asked for only when a table is replaced.
    ///   - keepsPresent: a table that is replaced also keeps the elements that it has: its owner does not know yet what is
    ///     wanted, and VMs run on what stands there.
    ///   - rebuildingChain: after the device was made anew or moved, whatever the hook says.
    /// - Returns: the tables replaced: the view of their sets must be read again.
    @discardableResult
    public func ensureStructure(
        rebuildingChain: Bool = false, keepsPresent: Bool = false, elements: () -> [FilterElement]
    ) throws(NetlinkError) -> [String] {
        let snapshot = try Snapshot(
            tables: rows(OUTRIDER_NFT_TABLES), chains: rows(OUTRIDER_NFT_CHAINS), rules: ruleRows())
        var replaced: [String] = []
        for table in tables {
            switch snapshot.state(of: table) {
            case .good where !(rebuildingChain && table.family == .netdev): continue
            case .good, .chainBroken: try rebuildChains(of: table, snapshot: snapshot)
            case .missing, .broken:
                let present = keepsPresent && snapshot.contains(table) ? try self.elements(of: table) : []
                let wanted = elements()
                let known = Set(wanted)
                try replace(
                    table, existing: snapshot.contains(table), elements: wanted + present.filter { !known.contains($0) }
                )
                replaced.append(TableKey(table).description)
            }
        }
        return replaced
    }

    /// What the sets of a table hold, as far as we could have written it.
    private func elements(of table: NFTTable) throws(NetlinkError) -> [FilterElement] {
        var result: [FilterElement] = []
        for set in FilterSet.allCases {
            let place = NFTPlace(set)
            guard place.family == table.family, place.table == table.name else { continue }
            result += try dump(set).filter { if case .unknown = $0 { false } else { true } }
        }
        return result
    }

    /// Removes our tables, for tests and uninstallation.
    public func removeStructure() throws(NetlinkError) {
        let present = Set(try rows(OUTRIDER_NFT_TABLES).map(\.tableKey))
        for table in tables where present.contains(TableKey(table)) {
            _ = try transact([], messages: 1) { $0.deleteTable(table.family, table.name) }
        }
    }

    private func rebuildChains(of table: NFTTable, snapshot: Snapshot) throws(NetlinkError) {
        _ = try transact([], messages: 64) { batch in
            for name in snapshot.chainNames(of: table) { batch.deleteChain(name, of: table) }
            for chain in table.chains { batch.add(chain, to: table, setIDs: [:]) }
        }
    }

    private func replace(_ table: NFTTable, existing: Bool, elements: [FilterElement]) throws(NetlinkError) {
        let changes = elements.map(NFTElementBytes.init).filter {
            $0.place.family == table.family && $0.place.table == table.name
        }.enumerated().map { Change(index: $0, bytes: $1, delete: false) }
        // A refused element is left out here; the next plan tries it again and reports it.
        _ = try transact(changes, messages: 64) { batch in
            if existing { batch.deleteTable(table.family, table.name) }
            batch.add(table, comment: NFTStructure.version)
        }
    }

    /// Lets the kernel check a table with all that is in it and throws it away: the transaction ends in a message that must
    /// fail. Nothing of it is ever in force.
    ///
    /// - Throws: the first error of another message.
    func rehearse(_ table: NFTTable) throws(NetlinkError) {
        var table = table
        table.name = "outrider_probe"
        var batch = NFTBatch(messages: 64, firstSequence: socket.nextSequence())
        defer { batch.release() }
        batch.add(table, comment: NFTStructure.version)
        batch.deleteTable(table.family, "outrider_no_such_table")
        let last = batch.sequence
        for outcome in try send(batch.finish()) where outcome.code != 0 && outcome.sequence != last {
            throw NetlinkError(
                operation: "check nf_tables", object: TableKey(table).description, code: outcome.code,
                detail: outcome.text)
        }
    }

    /// What ``ensureStructure(rebuildingChain:keepsPresent:elements:)`` would make anew; nothing is written.
    public func structureGaps() throws(NetlinkError) -> [String] {
        let snapshot = try Snapshot(
            tables: rows(OUTRIDER_NFT_TABLES), chains: rows(OUTRIDER_NFT_CHAINS), rules: ruleRows())
        return tables.compactMap { table in
            switch snapshot.state(of: table) {
            case .good: nil
            case .missing: "make filter table \(TableKey(table))"
            case .broken: "replace filter table \(TableKey(table)): it is of another version or was changed"
            case .chainBroken: "rebuild the chain of filter table \(TableKey(table))"
            }
        }
    }

    private func ruleRows() throws(NetlinkError) -> [NFTRow] { try rows(OUTRIDER_NFT_RULES) }
}

// MARK: - Transactions and dumps

extension NFTables {
    private struct Change {
        var index: Int
        var bytes: NFTElementBytes
        var delete: Bool
    }

    /// Commits a structure change and element changes together; returns the errno of each change left out.
    private func transact(
        _ changes: [Change], messages: Int = 0, structure: ((inout NFTBatch) -> Void)? = nil
    ) throws(NetlinkError) -> [Int: Int32] {
        var rejected: [Int: Int32] = [:]
        var left = changes
        while structure != nil || !left.isEmpty {
            var batch = NFTBatch(messages: messages + left.count, firstSequence: socket.nextSequence())
            defer { batch.release() }
            structure?(&batch)
            var indexOf: [UInt32: Int] = [:]
            for change in left {
                batch.change(change.bytes, delete: change.delete)
                indexOf[batch.sequence] = change.index
            }
            let outcomes = try send(batch.finish())
            let errors = outcomes.filter { $0.code != 0 }
            if errors.isEmpty {
                writes += left.count + (structure == nil ? 0 : 1)
                return rejected
            }
            for error in errors {
                guard let index = indexOf[error.sequence] else {
                    throw NetlinkError(operation: "commit nf_tables transaction", code: error.code, detail: error.text)
                }
                rejected[index] = error.code
            }
            left.removeAll { rejected[$0.index] != nil }
        }
        return rejected
    }

    private func send(_ bytes: [UInt8]) throws(NetlinkError) -> [(sequence: UInt32, code: Int32, text: String)] {
        socket.discardQueued()
        try socket.send(bytes)
        // The kernel works inside sendto(2): every answer is queued already.
        let outcomes = try socket.receiveAll().compactMap { answer in
            answer.outcome.map { (sequence: answer.sequence, code: $0.code, text: $0.text) }
        }
        if outcomes.isEmpty { throw NetlinkError(operation: "commit nf_tables transaction", code: ENOBUFS) }
        return outcomes
    }

    private func query(
        _ kind: outrider_nft_kind, family: UInt8 = 0, table: String? = nil, set: String? = nil
    ) throws(NetlinkError) -> [NetlinkAnswer] {
        var request = [UInt8](repeating: 0, count: Int(OUTRIDER_NFT_MESSAGE_MAX))
        let length = unsafe request.withUnsafeMutableBytes { buffer in
            if let table, let set {
                unsafe outrider_nft_dump_request(buffer.baseAddress, buffer.count, kind, family, table, set)
            } else {
                unsafe outrider_nft_dump_request(buffer.baseAddress, buffer.count, kind, family, nil, nil)
            }
        }
        request.removeLast(request.count - Int(try checked(length, "build nf_tables dump")))
        return try socket.dump(request, operation: "dump nf_tables")
    }

    func rows(_ kind: outrider_nft_kind) throws(NetlinkError) -> [NFTRow] {
        var result: [NFTRow] = []
        for answer in try query(kind) {
            var raw = outrider_nft_row()
            let code = unsafe answer.bytes.withUnsafeBytes {
                unsafe outrider_nft_parse_row($0.baseAddress, $0.count, kind, &raw)
            }
            _ = try checked(code, "read nf_tables row")
            result.append(NFTRow(raw))
        }
        return result
    }
}
