/// Sorts operations into the stages of commit.
struct PlanBuilder {
    private var stages: [CommitStage: [KernelOperation]] = [:]

    mutating func add(_ operation: KernelOperation) {
        let stage =
            operation.isDelete ? Self.release(operation.key.kind) : Self.acquire(operation.key.kind)
        stages[stage, default: []].append(operation)
    }

    func plan() -> ChangePlan {
        var stages = stages
        Self.hastenOverlapped(&stages)
        let steps = CommitStage.allCases.compactMap { stage -> ChangeStep? in
            guard let operations = stages[stage], !operations.isEmpty else { return nil }
            return ChangeStep(stage: stage, operations: Self.ordered(operations))
        }
        return ChangePlan(steps: steps)
    }

    /// Deletes of pairs that a new pair overlaps join the new pair's transaction: the kernel refuses overlaps, or on
    /// 6.1 acknowledges a contained element and stores nothing.
    private static func hastenOverlapped(_ stages: inout [CommitStage: [KernelOperation]]) {
        let created = (stages[.acquirePairs] ?? []).compactMap(\.pair)
        guard !created.isEmpty, let deletes = stages[.releasePairs] else { return }
        let early = deletes.filter { delete in
            guard let old = delete.pair else { return false }
            return created.contains { $0.overlaps(old) }
        }
        guard !early.isEmpty else { return }
        let hastened = Set(early)
        stages[.releasePairs] = deletes.filter { !hastened.contains($0) }
        stages[.acquirePairs, default: []] += early
    }

    /// Deletes first, then by key: a plan of the same difference is always the same plan.
    private static func ordered(_ operations: [KernelOperation]) -> [KernelOperation] {
        guard operations.count > 1 else { return operations }
        // Apart by kind first: what is compared a million times is one key's fields and nothing else.
        var groups: [KernelKind: [(fields: SortFields, index: Int)]] = [:]
        for (index, operation) in operations.enumerated() {
            let key = operation.key
            groups[key.kind, default: []].append((key.sortFields, index))
        }
        var (deletes, others): ([KernelOperation], [KernelOperation]) = ([], [])
        for kind in groups.keys.sorted() {
            let sorted = (groups[kind] ?? []).sorted { $0.fields < $1.fields }
            for entry in sorted {
                let operation = operations[entry.index]
                if operation.isDelete { deletes.append(operation) } else { others.append(operation) }
            }
        }
        return deletes + others
    }

    private static func acquire(_ kind: KernelKind) -> CommitStage {
        switch kind {
        case .vni: .acquireVNIs
        case .neighbor: .acquireNeighbors
        case .nexthop: .acquireNexthops
        case .route: .acquireRoutes
        case .address: .acquireAddresses
        case .element(let set):
            switch set {
            case .pair4, .pair6, .vtep, .vtep6: .acquirePairs
            case .source4, .source6, .arpSender, .solicitor6: .acquireSources
            case .ingress4, .ingress6, .tunnelID: .acquireIngress
            }
        }
    }

    private static func release(_ kind: KernelKind) -> CommitStage {
        switch kind {
        case .vni: .releaseVNIs
        case .neighbor: .releaseNeighbors
        case .nexthop: .releaseNexthops
        case .route: .releaseRoutes
        case .address: .releaseAddresses
        case .element(let set):
            switch set {
            case .pair4, .pair6, .vtep, .vtep6: .releasePairs
            case .source4, .source6, .arpSender, .solicitor6: .releaseSources
            case .ingress4, .ingress6, .tunnelID: .releaseIngress
            }
        }
    }
}

extension KernelOperation {
    fileprivate var pair: FilterElement? {
        if case .element(let element) = key, element.isPair { element } else { nil }
    }
}

extension FilterElement {
    var isPair: Bool { self.set == .pair4 || self.set == .pair6 }

    /// True for two different pair elements that one interval set cannot hold together.
    func overlaps(_ other: FilterElement) -> Bool {
        switch (self, other) {
        case (.pair4(let source, let destination), .pair4(let otherSource, let otherDestination)):
            source.overlaps(otherSource) && destination.overlaps(otherDestination)
        case (.pair6(let source, let destination), .pair6(let otherSource, let otherDestination)):
            source.overlaps(otherSource) && destination.overlaps(otherDestination)
        default: false
        }
    }
}
