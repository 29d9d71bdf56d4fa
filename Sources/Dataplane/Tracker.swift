public import NetworkTypes

/// Desired and actual view of the kernel, key by key, and the difference as an ordered plan.
///
/// In the manner of Felix: nothing touches the kernel outside a plan, an error keeps its key pending, and a resync
/// replaces belief by observation. State of one key:
///
/// | wanted | seen | entry is | plan |
/// |---|---|---|---|
/// | yes | no | | create |
/// | yes | same value | ours | nothing |
/// | yes | other value | ours or ignored | replace |
/// | yes | any value | foreign | nothing; reported in ``foreign`` and ``obstructed`` |
/// | no | yes | ours, written or wanted before | delete |
/// | no | yes | ours, never wanted here, first dump | nothing yet; ``needsRecheck`` |
/// | no | yes | ours, never wanted here, second dump in a row | delete, if ``DeletionScope`` covers it |
/// | no | yes | foreign or ignored | nothing |
///
/// A dump taken while the kernel changes can be short or stale without a mark, so one dump alone never deletes, and a
/// delete that is already decided is not dropped because one dump misses the entry.
public struct Tracker: Sendable {
    public private(set) var policy: OwnershipPolicy

    private var desired: [KernelKey: KernelObject] = [:]
    /// What the kernel has and nobody wants, or has for a pending key. What agrees is not written down twice: a host of
    /// thousands of ports has little else.
    private var others: [KernelKey: Seen] = [:]
    /// Keys that may differ; everything else is known to agree.
    private var pending: Set<KernelKey> = []
    /// Undesired keys that we wrote or wanted.
    private var condemned: Set<KernelKey> = []
    /// Undesired keys of ours that nobody wanted here, seen twice.
    private var strangers: Set<KernelKey> = []
    /// Undesired keys of ours seen in the last dump only.
    private var suspects: Set<KernelKey> = []

    /// Entries of others, by the last dump of their kind.
    public private(set) var foreign: Set<KernelKey> = []
    /// Last error per key that is still pending.
    public private(set) var failures: [KernelKey: Failure] = [:]
    /// An error, or an overrun of notifications: the view may be wrong until the next ``resync(_:)``.
    public private(set) var needsResync = true

    /// What the kernel has for a key; nil for what we never write.
    private struct Seen {
        var object: KernelObject?
        var origin: Origin
    }

    /// Why a key is still pending.
    public struct Failure: Hashable, Sendable {
        public var reason: String
        /// Attempts in a row.
        public var attempts: Int
    }

    public init(policy: OwnershipPolicy) { self.policy = policy }

    /// Wanted keys that an entry of somebody else occupies.
    public var obstructed: Set<KernelKey> { foreign.filter { desired[$0] != nil } }
    /// Entries that need a second dump before they may be deleted.
    public var needsRecheck: Bool { suspects.contains(where: mayDelete) }
    /// True while the kernel may not carry what is wanted for a key.
    public func isPending(_ key: KernelKey) -> Bool { pending.contains(key) }
    /// True while an object of this kind may not be as wanted.
    public func hasPending(_ kind: KernelKind) -> Bool { pending.contains { $0.kind == kind } }
    /// Keys that the next plan may write.
    public var pendingCount: Int { pending.count }
    public var desiredCount: Int { desired.count }
    public var actualCount: Int { others.count + desired.keys.count { !pending.contains($0) } }
    /// Entries of ours in the kernel, by kind, as far as the view goes.
    public var ownCounts: [KernelKind: Int] {
        var counts: [KernelKind: Int] = [:]
        for key in own { counts[key.kind, default: 0] += 1 }
        return counts
    }

    /// Blocks of ours in the kernel, ascending, as far as the view goes: by VNIs of the filter, and by nexthop objects.
    public var ownBlocks: (local: [SessionNetworkID], remote: [SNIBlock]) {
        var local: [SessionNetworkID] = []
        var remote: [SNIBlock] = []
        for key in own {
            switch key {
            case .vni(let vni) where vni != DataplaneConfiguration.echoVNI: local.append(vni)
            case .nexthop(let id): if let block = DataplaneConfiguration.block(ofNexthop: id) { remote.append(block) }
            default: break
            }
        }
        return (local.sorted(), remote.sorted())
    }

    /// Entries that would be deleted if the policy allowed it.
    public var withheld: Set<KernelKey> { strangers.union(suspects).filter { !mayDelete($0) } }

    /// Keys of the entries that are ours, in no order.
    private var own: [KernelKey] {
        var keys = desired.compactMap { key, object in
            pending.contains(key) || policy.verdict(of: key, from: Self.origin(of: object)) != .ours ? nil : key
        }
        for (key, seen) in others where policy.verdict(of: key, from: seen.origin) == .ours { keys.append(key) }
        return keys
    }

    /// What the kernel has for a key, as far as the view goes.
    private func seen(_ key: KernelKey) -> Seen? {
        if let other = others[key] { return other }
        guard let wanted = desired[key], !pending.contains(key) else { return nil }
        return Seen(object: wanted, origin: Self.origin(of: wanted))
    }

    private func mayDelete(_ key: KernelKey) -> Bool {
        guard let seen = seen(key) else { return policy.deletes == .everything }
        return policy.mayDelete(key, seen.object)
    }

    private func isForeign(_ seen: Seen, _ key: KernelKey) -> Bool {
        policy.verdict(of: key, from: seen.origin) == .foreign
    }

    /// Every element that should be in a set: for a table that is made anew.
    public var desiredElements: [FilterElement] {
        desired.values.compactMap { if case .element(let element) = $0 { element } else { nil } }
    }
}

// MARK: - Inputs

extension Tracker {
    /// Sets or clears (nil) what is wanted for a key.
    public mutating func want(_ object: KernelObject?, for key: KernelKey) {
        let former = desired[key]
        guard former != object else { return }
        let seen = seen(key)
        others[key] = seen
        desired[key] = object
        if object == nil, former != nil, let seen, !isForeign(seen, key) {
            condemned.insert(key)
        } else if object != nil {
            condemned.remove(key)
            strangers.remove(key)
            suspects.remove(key)
            pending.insert(key)
        }
        settle(key)
    }

    /// What may be deleted now becomes part of the next plan.
    public mutating func setPolicy(_ policy: OwnershipPolicy) {
        self.policy = policy
        for key in strangers { settle(key) }
    }

    /// Asks for a dump: after ENOBUFS, a link that lost UP, or a device that was made anew.
    public mutating func queueResync() { needsResync = true }

    /// Replaces the view of the dumped kinds by what the kernel returned.
    ///
    /// A view of a hundred thousand entries is much larger than the processor's caches, so that each look at it costs:
    /// everything about an entry is settled while it is at hand.
    public mutating func resync(_ dump: KernelDump) {
        let isWhole = KernelKind.all.allSatisfy(dump.kinds.contains)
        func covers(_ key: KernelKey) -> Bool { isWhole || dump.kinds.contains(key.kind) }
        let formerSuspects = suspects
        suspects = suspects.filter { !covers($0) }
        foreign = foreign.filter { !covers($0) }
        others = isWhole ? [:] : others.filter { !covers($0.key) }
        var met: Set<KernelKey> = []
        met.reserveCapacity(desired.count)
        for entry in dump.objects where covers(entry.key) {
            let wanted = desired[entry.key]
            let seen = Seen(object: entry.object, origin: entry.origin)
            // Two entries may share a key (IPv6 routes of two protocols): ours says more than somebody else's.
            if wanted == nil {
                if let former = others[entry.key], isOurs(former, entry.key) { continue }
            } else if !met.insert(entry.key).inserted, others[entry.key].map({ isOurs($0, entry.key) }) ?? true {
                continue
            }
            let agrees = wanted.map { Self.agrees(seen, with: $0) } ?? false
            if !agrees { others[entry.key] = seen }
            classify(entry, isWanted: wanted != nil, seenBefore: formerSuspects.contains(entry.key))
            if wanted != nil { settle(entry.key, agrees: agrees) }
        }
        if !isWhole || met.count < desired.count {
            if isWhole { pending.reserveCapacity(pending.count + desired.count - met.count) }
            for key in desired.keys where covers(key) && !met.contains(key) { settle(key, agrees: false) }
        }
        needsResync = false
    }

    private func isOurs(_ seen: Seen, _ key: KernelKey) -> Bool { policy.verdict(of: key, from: seen.origin) == .ours }

    private mutating func classify(_ entry: ObservedObject, isWanted: Bool, seenBefore: Bool) {
        switch policy.verdict(of: entry.key, from: entry.origin) {
        case .ignored: break
        case .foreign: foreign.insert(entry.key)
        case .ours:
            if !foreign.isEmpty { foreign.remove(entry.key) }
            guard !isWanted, !condemned.contains(entry.key) else { return }
            if seenBefore || strangers.contains(entry.key) {
                strangers.insert(entry.key)
                settle(entry.key)
            } else {
                suspects.insert(entry.key)
            }
        }
    }
}

// MARK: - Outcome of writes

extension Tracker {
    /// The kernel carries the operation now.
    public mutating func completed(_ operation: KernelOperation) {
        let key = operation.key
        clearFailure(of: key)
        let wanted = desired[key]
        switch operation {
        case .create(let object), .replace(let object):
            dropOverlapped(by: object)
            if wanted == object { return settle(key, agrees: true) }
            others[key] = Seen(object: object, origin: Self.origin(of: object))
            if wanted == nil { condemned.insert(key) }
        case .delete:
            others[key] = nil
            // What is gone is not there for whoever wants it meanwhile.
            if wanted != nil { pending.insert(key) }
            condemned.remove(key)
            strangers.remove(key)
            suspects.remove(key)
        }
        settle(key, wanted: wanted)
    }

    /// The operation did not happen; its key stays pending, and the view is to be read again.
    public mutating func failed(_ operation: KernelOperation, reason: String) {
        let attempts = (failures[operation.key]?.attempts ?? 0) + 1
        failures[operation.key] = Failure(reason: reason, attempts: attempts)
        others[operation.key] = seen(operation.key)
        pending.insert(operation.key)
        needsResync = true
    }

    private static func origin(of object: KernelObject) -> Origin {
        switch object {
        case .route, .nexthop: .routing(protocolNumber: DataplaneConfiguration.routeProtocol)
        case .neighbor: .neighbor(permanent: true)
        case .vni, .address, .element: .plain
        }
    }

    /// A pair that the kernel accepted proves that nothing overlapping is left, and a late delete of an overlapped
    /// one would remove the new element: interval sets delete by point.
    private mutating func dropOverlapped(by object: KernelObject) {
        guard case .element(let element) = object, element.isPair else { return }
        for key in condemned.union(strangers) {
            guard case .element(let other) = key, other != element, other.overlaps(element) else { continue }
            others[key] = nil
            condemned.remove(key)
            strangers.remove(key)
            settle(key)
        }
    }

    private mutating func settle(_ key: KernelKey) { settle(key, wanted: desired[key]) }

    /// `wanted` is what is desired for the key.
    private mutating func settle(_ key: KernelKey, wanted: KernelObject?) {
        let agrees =
            if let wanted { seen(key).map { Self.agrees($0, with: wanted) } ?? false } else { !isCondemned(key) }
        settle(key, agrees: agrees)
    }

    private mutating func settle(_ key: KernelKey, agrees: Bool) {
        if agrees {
            if !others.isEmpty, desired[key] != nil { others[key] = nil }
            if !pending.isEmpty { pending.remove(key) }
            clearFailure(of: key)
        } else {
            pending.insert(key)
        }
    }

    private mutating func clearFailure(of key: KernelKey) { if !failures.isEmpty { failures[key] = nil } }

    private func isCondemned(_ key: KernelKey) -> Bool {
        condemned.contains(key) || strangers.contains(key) && mayDelete(key)
    }

    private static func agrees(_ seen: Seen, with object: KernelObject) -> Bool {
        seen.object == object && seen.origin == origin(of: object)
    }
}

// MARK: - Plan

extension Tracker {
    /// What to write now; empty when desired and actual agree as far as the policy allows.
    public func plan() -> ChangePlan {
        var builder = PlanBuilder()
        for key in pending {
            if let object = desired[key] {
                guard let entry = others[key] else {
                    builder.add(.create(object))
                    continue
                }
                if !Self.agrees(entry, with: object), !isForeign(entry, key) {
                    builder.add(.replace(object))
                }
            } else if isCondemned(key) {
                builder.add(.delete(key))
            }
        }
        return builder.plan()
    }
}
