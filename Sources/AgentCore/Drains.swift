import FleetProtocol
import NetworkTypes

/// Answers to marks. Until the drain record is journalled a launch in the block wins; after it nothing is bound there
/// at that epoch again.
extension AgentMachine {
    /// `isOrder`: the coordinator just asked, so that even an answer given before is given again.
    mutating func evaluateDrain(
        of block: SNIBlock, isOrder: Bool, at now: Instant, into effects: inout [AgentEffect]
    ) {
        guard let lease = durable.leases[block], lease.order.marked, !lease.orphaned, journalFailure == nil else {
            return
        }
        if lease.drained {
            if isOrder { answerDrained(block, lease.order.epoch, into: &effects) }
            return
        }
        let adopted = unknownPorts.values.filter { block.contains($0.sni) }.sorted { $0.sni < $1.sni }
        let users = durable.users(of: block) + adopted.compactMap(\.interface)
        if durable.arrived.contains(block.first), block.size == 1, !users.isEmpty {
            // The VM runs here and nowhere else.
            refuseDrain(of: block, reason: "the VM has arrived", into: &effects)
        } else if lease.order.force, !users.isEmpty {
            withdraw(block, at: now, into: &effects)
        } else if !users.isEmpty || !adopted.isEmpty {
            refuseDrain(of: block, reason: "in use", into: &effects)
        } else if refusedMarks[block] == lease.order.epoch {
            if isOrder { refuseDrain(of: block, reason: "refused before", into: &effects) }
        } else if durable.occupants(of: block).isEmpty {
            let epoch = lease.order.epoch
            drainRecords[block] = durable.sequence + 1
            journal([.drained(block, epoch)], into: &effects) { _ in .drained(block, epoch) }
        }
    }

    private mutating func withdraw(_ block: SNIBlock, at now: Instant, into effects: inout [AgentEffect]) {
        for interface in durable.users(of: block) {
            if launches[interface] != nil {
                launches[interface]?.cancelled = true
            } else if let sni = durable.byInterface[interface] {
                release(sni, for: [], at: now, into: &effects)
            }
        }
    }

    mutating func refuseDrain(of block: SNIBlock, reason: String, into effects: inout [AgentEffect]) {
        guard let lease = durable.leases[block], lease.order.marked, !lease.drained else { return }
        refusedMarks[block] = lease.order.epoch
        let adopted = unknownPorts.values.filter { block.contains($0.sni) }.compactMap(\.interface).sorted()
        let outcome = DrainAnswer.Outcome.refused(reason: reason, users: durable.users(of: block) + adopted)
        guard streamGranted else { return }
        effects.append(
            .send(.drainAnswer(DrainAnswer(block: block, epoch: lease.order.epoch, outcome: outcome))))
    }

    mutating func answerDrained(_ block: SNIBlock, _ epoch: Epoch, into effects: inout [AgentEffect]) {
        guard streamGranted, let lease = durable.leases[block], lease.drained, lease.order.epoch == epoch,
            drainRecords[block, default: 0] <= durableSequence
        else { return }
        effects.append(.send(.drainAnswer(DrainAnswer(block: block, epoch: epoch, outcome: .drained))))
    }
}
