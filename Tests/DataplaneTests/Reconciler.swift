import Dataplane

/// The agent's loop around state and kernel: resync when asked for, plan, apply, report.
struct Reconciler {
    var state: DataplaneState
    let kernel: FakeKernel
    /// Forces a dump in every round, as the periodic reconciliation does.
    var periodic = false

    /// One round; true when it found nothing to do.
    mutating func round() throws -> Bool {
        if state.tracker.needsResync || state.tracker.needsRecheck || periodic {
            do {
                state.resync(try kernel.dump())
            } catch is DumpFailed {
                state.queueResync()
            }
        }
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
