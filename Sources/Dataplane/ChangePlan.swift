/// One write to the kernel.
public enum KernelOperation: Hashable, Sendable {
    /// The key is believed absent. The executor writes create-or-replace, so that a stale belief does no harm.
    case create(KernelObject)
    /// The key is present with another value.
    case replace(KernelObject)
    /// The key is to go; "not found" counts as done.
    case delete(KernelKey)

    public var key: KernelKey {
        switch self {
        case .create(let object), .replace(let object): object.key
        case .delete(let key): key
        }
    }
    public var isDelete: Bool {
        if case .delete = self { true } else { false }
    }
}

/// The order of commit: acquire pair → ingress → VNI, release VNI → ingress → pair (`docs/design.md`, "Data plane of one
/// host"); neighbor before nexthop, nexthop before its routes, and the reverse on the way out.
///
/// A packet that arrives in the middle of a plan then finds either everything it needs or a drop.
public enum CommitStage: Int, CaseIterable, Comparable, Sendable {
    /// Creates, and deletes of pairs that overlap a created one: one transaction.
    case acquirePairs
    case acquireAddresses
    case acquireNeighbors
    case acquireNexthops
    case acquireRoutes
    /// Anti-spoof and neighbor discovery of ports.
    case acquireSources
    case acquireIngress
    case acquireVNIs
    case releaseVNIs
    case releaseIngress
    case releaseSources
    case releaseRoutes
    case releaseNexthops
    case releaseNeighbors
    case releaseAddresses
    case releasePairs

    public static func < (lhs: Self, rhs: Self) -> Bool { lhs.rawValue < rhs.rawValue }

    /// Elements of filter sets and nothing else; a stage of other objects has none.
    public var isOfElements: Bool {
        switch self {
        case .acquirePairs, .acquireSources, .acquireIngress, .releasePairs, .releaseSources, .releaseIngress: true
        case .acquireAddresses, .acquireNeighbors, .acquireNexthops, .acquireRoutes, .acquireVNIs, .releaseVNIs,
            .releaseRoutes, .releaseNexthops, .releaseNeighbors, .releaseAddresses:
            false
        }
    }
}

/// Operations of one stage: independent of each other, so they may travel as one batch. In a stage of filter elements
/// the deletes come first and all belong into one transaction.
public struct ChangeStep: Hashable, Sendable {
    public var stage: CommitStage
    public var operations: [KernelOperation]
    public init(stage: CommitStage, operations: [KernelOperation]) {
        self.stage = stage
        self.operations = operations
    }
}

/// What to write, in order. Empty when desired and actual agree.
public struct ChangePlan: Hashable, Sendable {
    public var steps: [ChangeStep]
    public init(steps: [ChangeStep] = []) { self.steps = steps }

    public var isEmpty: Bool { steps.isEmpty }
    public var operationCount: Int { steps.reduce(0) { $0 + $1.operations.count } }
    public var operations: [KernelOperation] { steps.flatMap(\.operations) }
}
