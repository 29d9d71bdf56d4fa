import CoordinatorCore

/// What one input to the machine left to do. Items are performed in the order of their inputs.
struct WorkItem {
    /// Durable before ``effects`` are performed.
    var events: [CoordinatorEvent] = []
    var effects: [CoordinatorEffect] = []
    /// A reader waits until everything before it is durable: nobody reads what a crash could take back.
    var reader: CheckedContinuation<Void, any Error>?
    /// An image of the machine after this item, to be kept.
    var image: [UInt8]?

    init(effects: [CoordinatorEffect]) {
        for effect in effects {
            if case .persist(let events) = effect { self.events += events } else { self.effects.append(effect) }
        }
    }
    init(reader: CheckedContinuation<Void, any Error>) { self.reader = reader }
}
