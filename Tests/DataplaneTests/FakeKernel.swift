import Dataplane
import NetworkTypes

/// A fault of the kernel or of the channel to it; each is armed once and counted when it strikes.
enum Fault: String, CaseIterable, Sendable {
    /// One operation in the middle of a batch is refused (EBUSY).
    case refusedInTheMiddle
    /// A filter transaction fails as a whole, and nothing of it is applied.
    case transactionFails
    /// A create meets an entry that the last dump did not show.
    case alreadyThere
    /// A delete meets nothing.
    case alreadyGone
    /// A dump misses rows without a mark.
    case shortDump
    /// A dump shows rows that are gone.
    case staleDump
    /// The batch is applied, and its answers are lost (ENOBUFS).
    case answersLost
    /// Half of a batch is applied, then its answers stop (EINTR, a time-out).
    case answersCut
    /// A dump that never becomes consistent (NLM_F_DUMP_INTR).
    case dumpInterrupted
    /// A dump that does not fit (MSG_TRUNC).
    case dumpTruncated
    /// A device vanishes in the middle of a batch, with all that stood on it, and is made anew later.
    case deviceVanishes
    /// A device vanishes in the middle of a batch, and another one has its index when the rest of the batch is written.
    case indexReused
    /// Somebody gives a device another name, and later its own again.
    case deviceRenamed
    /// Somebody deletes and changes entries of ours.
    case foreignEdit
    /// A second agent writes what it wants, under our protocol number, over ours and beside it.
    case secondAgent
    /// The namespace is deleted in the middle of a batch; one of the same name comes later, empty.
    case namespaceDeleted
    /// The VXLAN device lost UP: routes, nexthops and neighbors on it are gone, without an event.
    case linkLost
    /// The agent dies in the middle of a step.
    case crash
}

/// Outcome of one operation.
enum Answer: Equatable {
    case done
    case refused(String)
}

/// The channel lost the answers: the caller knows nothing.
struct AnswersLost: Error {}
/// No dump came about: the caller knows what it knew.
struct DumpFailed: Error {}
/// The process ends here.
struct Crash: Error {}

/// A kernel that keeps state, enforces what the real one enforces, and fails by script.
final class FakeKernel {
    var entries: [KernelKey: ObservedObject] = [:]
    private(set) var writes = 0
    var armed: Fault?
    private(set) var hits: [Fault: Int] = [:]
    /// Order of commit that was broken, in words.
    private(set) var violations: [String] = []
    /// Keys that a fault touched since the last dump: what follows from that is not the plan's doing.
    var excused: Set<KernelKey> = []
    /// Devices that are not there, until the next dump: whoever dumps has made them before.
    var missing: Set<String> = []
    /// A device whose index another one has.
    var reused: (former: String, present: String)?
    /// Entries of a device that has another name for the moment.
    var renamed: (device: String, entries: [ObservedObject])?
    var isNamespaceGone = false

    /// Puts an entry in place, as somebody else or a former life of the agent did.
    func place(_ entry: ObservedObject) { entries[entry.key] = entry }
    func remove(_ key: KernelKey) { entries[key] = nil }

    func strike(_ fault: Fault) -> Bool {
        guard armed == fault else { return false }
        armed = nil
        hits[fault, default: 0] += 1
        return true
    }

    /// One step as one batch.
    func apply(_ step: ChangeStep) throws -> [Answer] {
        if strike(.linkLost) { loseLink() }
        if strike(.foreignEdit) { editByHand() }
        if strike(.secondAgent) { writeAsAnother() }
        let operations = step.operations
        let isFilter = operations.allSatisfy { if case .element = $0.key.kind { true } else { false } }
        if isFilter, strike(.transactionFails) {
            return operations.map { _ in .refused("transaction") }
        }
        prepare(operations)
        let refusedIndex = operations.count >= 1 && strike(.refusedInTheMiddle) ? operations.count / 2 : nil
        let crashIndex = strike(.crash) ? operations.count / 2 : nil
        let cutIndex = strike(.answersCut) ? operations.count / 2 : nil
        var answers: [Answer] = []
        for (index, operation) in operations.enumerated() {
            if index == crashIndex { throw Crash() }
            if index == cutIndex { throw AnswersLost() }
            if index == operations.count / 2 { strikeDevices(operations[index...]) }
            if index == refusedIndex { excused.insert(operation.key) }
            answers.append(index == refusedIndex ? .refused("EBUSY") : perform(operation))
        }
        if strike(.answersLost) { throw AnswersLost() }
        return answers
    }

    private func prepare(_ operations: [KernelOperation]) {
        if let create = operations.first(where: { !$0.isDelete }), armed == .alreadyThere, strike(.alreadyThere) {
            if case .create(let object) = create { entries[object.key] = Self.ours(object) }
        }
        if let delete = operations.first(where: \.isDelete), armed == .alreadyGone, strike(.alreadyGone) {
            entries[delete.key] = nil
        }
    }

    private func loseLink() {
        excused.formUnion(entries.keys.filter { $0.kind == .neighbor })
        for (key, entry) in entries {
            switch entry.object {
            case .nexthop, .route(_, _, .nexthop): entries[key] = nil
            case .neighbor(let device, _, _) where device == Facts.configuration.device: entries[key] = nil
            default: break
            }
        }
    }

    private func perform(_ operation: KernelOperation) -> Answer {
        if isNamespaceGone { return .refused("ENODEV") }
        let operation = reused.map { operation.moved(from: $0.former, to: $0.present) } ?? operation
        if let device = operation.device, missing.contains(device) {
            // The kernel took the entry with the device.
            return operation.isDelete ? .done : .refused("ENODEV")
        }
        switch operation {
        case .create(let object), .replace(let object):
            if let reason = refusal(of: object) { return .refused(reason) }
            writes += 1
            entries[object.key] = Self.ours(object)
            return .done
        case .delete(let key):
            writes += 1
            checkRelease(of: key)
            entries[key] = nil
            if case .nexthop(let id) = key { dropRoutes(on: id) }
            return .done
        }
    }

    /// What the real kernel refuses, and what it would accept in the wrong order.
    private func refusal(of object: KernelObject) -> String? {
        switch object {
        case .route(_, _, .nexthop(let id)) where entries[.nexthop(id)] == nil: return "Nexthop id does not exist"
        case .nexthop(let nexthop):
            let neighbor = KernelKey.neighbor(device: nexthop.device, address: .v6(nexthop.gateway))
            if entries[neighbor] == nil, !excused.contains(neighbor) {
                violations.append("nexthop \(nexthop.id) before its neighbor")
            }
            return nil
        case .element(let element) where element.set == .pair4 || element.set == .pair6:
            let overlapped = entries.keys.contains { key in
                guard case .element(let other) = key, other != element else { return false }
                return Self.overlap(element, other)
            }
            return overlapped ? "EEXIST" : nil
        default: return nil
        }
    }

    private func checkRelease(of key: KernelKey) {
        if case .nexthop(let id) = key,
            entries.values.contains(where: { Self.isOn($0, id) && !excused.contains($0.key) })
        {
            violations.append("nexthop \(id) removed before its routes")
        }
        if case .neighbor(let device, .v6(let gateway)) = key, device == Facts.configuration.device {
            let user = entries.values.contains {
                if case .nexthop(let hop) = $0.object {
                    hop.gateway == gateway && !excused.contains($0.key)
                } else {
                    false
                }
            }
            if user { violations.append("neighbor \(gateway) removed before a nexthop that needs it") }
        }
    }

    static func isOn(_ entry: ObservedObject, _ id: UInt32) -> Bool {
        if case .route(_, _, .nexthop(id)) = entry.object { true } else { false }
    }

    private func dropRoutes(on id: UInt32) {
        for (key, entry) in entries where Self.isOn(entry, id) { entries[key] = nil }
    }

    static func overlap(_ one: FilterElement, _ other: FilterElement) -> Bool {
        switch (one, other) {
        case (.pair4(let s0, let d0), .pair4(let s1, let d1)): s0.overlaps(s1) && d0.overlaps(d1)
        case (.pair6(let s0, let d0), .pair6(let s1, let d1)): s0.overlaps(s1) && d0.overlaps(d1)
        default: false
        }
    }

    static func ours(_ object: KernelObject) -> ObservedObject {
        switch object {
        case .route, .nexthop: ObservedObject(object, origin: .routing(protocolNumber: 83))
        case .neighbor: ObservedObject(object, origin: .neighbor(permanent: true))
        case .vni, .address, .element: ObservedObject(object)
        }
    }

    /// Everything, in no particular order; a short dump misses every third row.
    func dump() throws -> KernelDump {
        excused = []
        isNamespaceGone = false
        missing = []
        reused = nil
        if strike(.dumpInterrupted) || strike(.dumpTruncated) { throw DumpFailed() }
        takeNamesBack()
        var rows = Array(entries.values)
        if strike(.shortDump) {
            // By text, because the order of a dictionary differs from run to run.
            rows = rows.map { ($0, $0.key.description) }.sorted { $0.1 < $1.1 }.map(\.0)
            rows = rows.enumerated().filter { $0.offset % 3 != 1 }.map(\.element)
        }
        if strike(.staleDump) {
            rows.append(Self.ours(.vni(SessionNetworkID(unchecked: 99))))
            rows.append(Self.ours(.route(.v4(IPv4Address(0x0A00_FF00), length: 28), metric: 0, .unreachable)))
        }
        return KernelDump(objects: rows)
    }
}
