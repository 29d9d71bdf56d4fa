import AgentCore
import FleetProtocol
import NetworkTypes

/// Invariants 2, 3 and 4 as far as one host's journal, kernel and answers show them.
extension World {
    // MARK: Start

    /// What survived on the disk must hold every attach that was answered in this boot.
    mutating func observeStart(_ entries: [JournalEntry], _ identity: AgentIdentity, on host: Int) {
        var view = JournalView()
        for entry in entries { view.apply(entry.record, sequence: entry.sequence) }
        view.identity = identity
        checks.views[host] = view
        // Cooldowns start anew in full; what an old copy of a journal says of them is not what happened.
        for (sni, binding) in view.bindings where binding.isCooling && !hosts[host].isImpostor {
            if checks.ledger.isLeased(sni, to: identity.host) { checks.lastUse[host][sni] = now }
        }
        observeHolds(atStart: view, on: host)
        checks.echoes[host] = EchoTally()
        for (interface, sni) in checks.acknowledged[host].sorted(by: { $0.key < $1.key }) {
            let held = view.bindings[sni]
            if held?.interface != interface || held?.isCooling == true {
                violate(3, "attach of \(interface) as \(sni) on host \(host) was answered and did not survive")
            }
        }
    }

    mutating func observeJournalGone(on host: Int) {
        checks.acknowledged[host] = [:]
        checks.views[host] = JournalView()
        hosts[host].hasLostJournal = true
        checks.blind.insert(host)
    }

    mutating func observeClone(_ copy: Int, of host: Int) {
        checks.views[copy] = checks.views[host]
        checks.drained[copy] = checks.drained[host]
    }

    // MARK: Records

    mutating func observe(_ records: [JournalRecord], first: UInt64, on host: Int) {
        for (offset, record) in records.enumerated() {
            let sequence = first + UInt64(offset)
            trace("h\(host)", "journal", "\(sequence) \(record.summary)")
            switch record {
            case .bound(let bound): checkBinding(bound, on: host)
            case .unbound(let sni): checkUnbinding(sni.rawValue, on: host)
            case .drained(let block, let epoch):
                checkDrained(block, Checker.DrainRecord(epoch: epoch, sequence: sequence), on: host)
            // Accepted: nobody puts another journal in its place any more.
            case .grant: hosts[host].isRolledBack = false
            case .held(let sni, _): checkHolding(sni.rawValue, on: host)
            case .update(_, let update):
                for case .setLease(let order) in update.operations { checkIncoming(order, on: host) }
            default: break
            }
            let generation = checks.views[host].position.generation
            checks.views[host].apply(record, sequence: sequence)
            guard checks.views[host].position.generation > generation else { continue }
            // Epochs of another generation say nothing about those of this one; what was promised stays promised.
            for block in checks.drained[host].keys { checks.drained[host][block]?.isOfOldGeneration = true }
        }
    }

    private mutating func checkBinding(_ bound: BoundInterface, on host: Int) {
        let binding = bound.binding
        let sni = binding.sni.rawValue
        let view = checks.views[host]
        checks.detachAsked[host].remove(binding.interface)
        guard let (block, lease) = view.lease(around: sni) else {
            return violate(2, "host \(host) binds \(sni) outside every lease")
        }
        if lease.application != binding.application {
            violate(2, "host \(host) binds \(sni) for \(binding.application), \(block) is \(lease.application)'s")
        }
        if lease.epoch != binding.epoch || lease.isOrphan {
            violate(2, "host \(host) binds \(sni) at epoch \(binding.epoch), \(block) is held at \(lease.epoch)")
        }
        if view.isRecovering {
            probes.hit(.recoveryEntered)
            return
        }
        if let drained = checks.drained[host][block], !drained.isOfOldGeneration, drained.epoch >= binding.epoch {
            violate(
                2,
                "host \(host) binds \(sni), \(block) was drained at epoch \(drained.epoch): past the point of no return"
            )
        }
        if view.granted != view.identity || view.isRefused || view.isStopped {
            violate(2, "host \(host) binds \(sni) without a grant of this boot")
        }
        let isResumed = isResumed(binding, in: view)
        if !isResumed, let last = checks.lastUse[host][sni], now - last < view.cooldown {
            violate(
                4,
                "host \(host) binds \(sni) \(seconds(now - last)) s after its last use, cooldown is "
                    + "\(seconds(view.cooldown)) s"
            )
        }
        if !isResumed, view.bindings[sni] != nil {
            violate(2, "host \(host) binds \(sni), which is bound, held or cooling")
        }
        checkPlace(of: binding, isResumed: isResumed, on: host)
        let truth = block.size == 1 ? checks.ledger.leases[block] : checks.ledger.lease(around: sni)
        // A book that was restored does not know yet what a host holds that has not spoken to it, nor that host of it.
        if wasRestored, view.position.generation < checks.ledger.generation { return }
        if truth?.host != hosts[host].name || truth?.state.isActive != true {
            violate(2, "host \(host) binds \(sni), which the coordinator has not leased to it")
        }
        if lease.isMarked { probes.hit(.launchWonAgainstMark) }
    }

    private mutating func checkUnbinding(_ sni: UInt32, on host: Int) {
        // What an old journal gives up was given up long ago.
        if checks.ledger.isLeased(sni, to: hosts[host].name), !hosts[host].isImpostor {
            checks.lastUse[host][sni] = now
        }
        guard let interface = checks.views[host].bindings[sni]?.interface,
            checks.acknowledged[host][interface] == sni
        else { return }
        checks.acknowledged[host][interface] = nil
        if mayEnd(sni, of: interface, on: host) { return }
        if checks.detachAsked[host].contains(interface) || checks.views[host].stopCode == "fenced" { return }
        guard checks.views[host].bindings[sni]?.isForced == true else {
            return violate(3, "host \(host) unbinds \(interface) from \(sni) and nobody asked for it")
        }
    }

    private mutating func checkDrained(_ block: SNIBlock, _ record: Checker.DrainRecord, on host: Int) {
        for sni in block.first.rawValue..<block.range.end where checks.views[host].bindings[sni] != nil {
            violate(4, "host \(host) declares \(block) drained with \(sni) bound or cooling")
        }
        checks.drained[host][block] = record
    }

    /// Records that never reach the disk were answered to nobody, and promise nothing.
    mutating func observeLost(after durable: UInt64, upTo submitted: UInt64, on host: Int) {
        checks.drained[host] = checks.drained[host].filter {
            $0.value.sequence <= durable || $0.value.sequence > submitted
        }
    }

    // MARK: Answers and messages

    /// Journal, kernel, answer: in this order.
    mutating func observe(
        attached interface: VMInterface, as sni: SessionNetworkID, comesLater: Bool, plugged: Bool, on host: Int
    ) {
        guard let binding = checks.views[host].bindings[sni.rawValue], binding.interface == interface,
            !binding.isCooling
        else { return violate(3, "attach of \(interface) is answered with \(sni), which it does not hold") }
        if binding.sequence > hosts[host].journal.durableSequence {
            violate(3, "attach of \(interface) is answered before its record \(binding.sequence) is durable")
        }
        if !comesLater || plugged, hosts[host].kernel.links[sni.rawValue] == nil {
            violate(3, "attach of \(interface) is answered before its port exists")
        }
        if let earlier = checks.acknowledged[host][interface], earlier != sni.rawValue {
            violate(3, "\(interface) was answered as \(earlier) and is \(sni) now")
        }
        checks.acknowledged[host][interface] = sni.rawValue
    }

    /// Asked and answered: nothing of the binding is left but its cooldown.
    mutating func observe(detached interface: VMInterface, from sni: SessionNetworkID?, on host: Int) {
        guard let sni, !checks.views[host].isRecovering, let held = checks.views[host].bindings[sni.rawValue],
            held.interface == interface, !checkRecord(ofEnd: held, on: host)
        else { return }
        violate(3, "detach of \(interface) is answered and \(sni) is still bound")
    }

    mutating func observe(sent message: AgentMessage, from host: Int) {
        switch message {
        case .leaseRequest: probes.hit(.launchMissed)
        case .hostReport(let report): observe(report, from: host)
        case .drainAnswer(let answer):
            if case .refused = answer.outcome { return observe(refused: answer.block, by: host) }
            probes.hit(.markAnsweredDrained)
            if checks.drained[host][answer.block].map({ $0.epoch >= answer.epoch }) != true {
                violate(4, "host \(host) answers the mark of \(answer.block) as drained without a record")
            }
        default: break
        }
    }

    func seconds(_ time: Int64) -> Double { Double(time) / 1e9 }
}
