/// Model and tracker of one host together: the three verbs of its owner are set, resync and plan.
public struct DataplaneState: Sendable {
    public private(set) var model: DataplaneModel
    public private(set) var tracker: Tracker

    public init(configuration: DataplaneConfiguration, deletes: DeletionScope) {
        model = DataplaneModel(configuration: configuration)
        tracker = Tracker(policy: OwnershipPolicy(device: configuration.device, deletes: deletes))
        for key in model.keys { tracker.want(model.object(for: key), for: key) }
    }

    /// Takes a change of what is desired; the cost is in proportion to the change.
    /// - Returns: the keys that the change concerns: it is in the kernel when none of them ``isPending(_:)``.
    @discardableResult
    public mutating func apply(_ change: DataplaneChange) throws(DataplaneError) -> Set<KernelKey> {
        let touched = try model.apply(change)
        for key in touched { tracker.want(model.object(for: key), for: key) }
        return touched
    }

    public mutating func resync(_ dump: KernelDump) { tracker.resync(dump) }
    public mutating func queueResync() { tracker.queueResync() }
    public func plan() -> ChangePlan { tracker.plan() }
    public mutating func completed(_ operation: KernelOperation) { tracker.completed(operation) }
    public mutating func failed(_ operation: KernelOperation, reason: String) {
        tracker.failed(operation, reason: reason)
    }
    public mutating func setDeletes(_ scope: DeletionScope) {
        tracker.setPolicy(OwnershipPolicy(device: model.configuration.device, deletes: scope))
    }

    /// Whether anything is desired for a key.
    public func wants(_ key: KernelKey) -> Bool { model.object(for: key) != nil }
    /// True while the kernel may not carry what is desired for a key.
    public func isPending(_ key: KernelKey) -> Bool { tracker.isPending(key) }
    /// True while any of the keys is pending.
    public func isPending(_ keys: some Sequence<KernelKey>) -> Bool { keys.contains(where: tracker.isPending) }
}
