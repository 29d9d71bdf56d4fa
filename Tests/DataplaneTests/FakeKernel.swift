import Dataplane
import NetworkTypes

/// A fault of the kernel or of the channel to it; each is armed once and counted when it strikes.
enum Fault: String, CaseIterable, Sendable {
    /// One operation in the middle of a batch is refused.
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
/// The process ends here.
struct Crash: Error {}

/// A kernel that keeps state, enforces what the real one enforces, and fails by script.
final class FakeKernel {
    private(set) var entries: [KernelKey: ObservedObject] = [:]
    private(set) var writes = 0
    var armed: Fault?
    private(set) var hits: [Fault: Int] = [:]
    /// Order of commit that was broken, in words.
    private(set) var violations: [String] = []
    /// Keys that a fault touched since the last dump: what follows from that is not the plan's doing.
    private var excused: Set<KernelKey> = []

    /// Puts an entry in place, as somebody else or a former life of the agent did.
    func place(_ entry: ObservedObject) { entries[entry.key] = entry }
    func remove(_ key: KernelKey) { entries[key] = nil }

    private func strike(_ fault: Fault) -> Bool {
        guard armed == fault else { return false }
        armed = nil
        hits[fault, default: 0] += 1
        return true
    }

    /// One step as one batch.
    func apply(_ step: ChangeStep) throws -> [Answer] {
        if strike(.linkLost) { loseLink() }
        let operations = step.operations
        let isFilter = operations.allSatisfy { if case .element = $0.key.kind { true } else { false } }
        if isFilter, strike(.transactionFails) {
            return operations.map { _ in .refused("transaction") }
        }
        prepare(operations)
        let refusedIndex = operations.count >= 1 && strike(.refusedInTheMiddle) ? operations.count / 2 : nil
        let crashIndex = strike(.crash) ? operations.count / 2 : nil
        var answers: [Answer] = []
        for (index, operation) in operations.enumerated() {
            if index == crashIndex { throw Crash() }
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

    private static func isOn(_ entry: ObservedObject, _ id: UInt32) -> Bool {
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
    func dump() -> KernelDump {
        excused = []
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

/// The agent's loop around state and kernel: resync when asked for, plan, apply, report.
struct Reconciler {
    var state: DataplaneState
    let kernel: FakeKernel
    /// Forces a dump in every round, as the periodic reconciliation does.
    var periodic = false

    /// One round; true when it found nothing to do.
    mutating func round() throws -> Bool {
        if state.tracker.needsResync || state.tracker.needsRecheck || periodic { state.resync(kernel.dump()) }
        let plan = state.plan()
        for step in plan.steps {
            do {
                let answers = try kernel.apply(step)
                for (operation, answer) in zip(step.operations, answers) {
                    switch answer {
                    case .done: state.completed(operation)
                    case .refused(let reason): state.failed(operation, reason: reason)
                    }
                }
            } catch is AnswersLost {
                step.operations.forEach { state.failed($0, reason: "ENOBUFS") }
                return false
            }
        }
        return plan.isEmpty && !state.tracker.needsResync && !state.tracker.needsRecheck
    }

    /// Rounds until nothing is left to do; nil when `limit` was not enough.
    mutating func converge(within limit: Int) throws -> Int? {
        for count in 0..<limit where try round() { return count }
        return nil
    }
}
