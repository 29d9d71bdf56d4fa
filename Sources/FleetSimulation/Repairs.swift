import AgentCore
import CoordinatorCore
import FleetProtocol
import NetworkTypes

/// What only an operator can decide: which of two machines is right, whether a host is off, what a lost journal meant.
///
/// | state | what is done |
/// |---|---|
/// | two rivals under a name | once the copy is off: thawed, keeping the machine that runs |
/// | blocks that the book did not know | thawed |
/// | refused with a lost or old journal, or as another installation | the journal is put back, or the machine accepted |
/// | recovering, with a word from the coordinator | resolved; what has no lease is detached first |
/// | VMs in a block that the book gives to somebody else | stopped, at the latest when faults are over |
/// | off | fenced as powered off, now and then |
/// | silent and not off | fenced by cutting it off, now and then |
extension World {
    mutating func mend(_ host: Int) {
        guard leader >= 0, processes[leader].isAlive, processes[leader].pausedUntil <= now, !isDoubled(host) else {
            return
        }
        let name = hosts[host].name
        // Whoever lives has had the time to speak.
        let patience = plan.coordinator.unreachableAfter.inNanoseconds * 2
        if checks.ledger.isRestoring, phase != .safety, now - processes[leader].startedAt > patience,
            operatorDice.chance(0.05)
        {
            return command(.endRestoration(reason: "nobody else will say more"), .release)
        }
        if let freeze = checks.ledger.frozen[name] { return thaw(host, freeze) }
        let view = checks.views[host]
        if hosts[host].agent != nil, view.isRefused { return accept(host, view.stopCode) }
        if hosts[host].agent != nil, view.isRecovering { return resolve(host) }
        if phase != .safety { stopOrphans(of: host) }
        guard phase == .safety, checks.contacts[host].identity != nil, checks.ledger.fences[name] == nil else { return }
        if !hosts[host].isUp {
            command(.fenceHost(name, proof: .poweredOff, reason: "no power"), .release)
        } else if isExcused(host), operatorDice.chance(0.5) {
            command(.fenceHost(name, proof: .cutOff, reason: "silent"), .release)
        }
    }

    private mutating func thaw(_ host: Int, _ freeze: HostFreeze) {
        probes.hit(.hostThawed)
        var keep: String?
        if case .rivals(let first, let second) = freeze {
            let boot = hosts[host].boot
            let kept =
                first.boot == second.boot
                ? (first.incarnation == hosts[host].journal.incarnation ? first : second)
                : (first.boot == boot ? first : second)
            // A journal that was lost makes another installation of the same boot.
            keep = first.boot == second.boot ? kept.incarnation.description : kept.boot.description
        }
        command(.thawHost(hosts[host].name, keep: keep), .release)
    }

    private mutating func accept(_ host: Int, _ code: String) {
        guard code == "incarnation-conflict" || code == "journal-behind" || code == "barred" else { return }
        if hosts[host].aside != nil, hosts[host].isRolledBack || operatorDice.chance(0.5) {
            return restoreJournal(host)
        }
        if code == "barred" { return startOver(host) }
        probes.hit(.hostReplaced)
        // Who accepts a machine without its journal must not put the old one back while it runs.
        hosts[host].aside = nil
        command(.replaceHost(hosts[host].name, reason: "journal lost"), .replace(host))
    }

    /// Of two owners of one block, the VMs of the one that the book does not know are stopped: `check` names them.
    private mutating func stopOrphans(of host: Int) {
        let view = checks.views[host]
        for slot in slots.indices where slots[slot].host == host {
            guard let sni = slots[slot].sni, let lease = view.lease(around: sni.rawValue)?.lease, lease.isOrphan else {
                continue
            }
            crashVM(slot)
        }
    }

    /// Its VMs are stopped, and it joins with an empty state directory.
    private mutating func startOver(_ host: Int) {
        reboot(host)
        guard !hosts[host].isUp else { return }
        hosts[host].journal = JournalDisk()
        hosts[host].aside = nil
        hosts[host].isImpostor = true
        observeJournalGone(on: host)
    }

    private mutating func resolve(_ host: Int) {
        // While a book is restored it waits for the true journal.
        if checks.ledger.isRestoring, hosts[host].aside != nil { return restoreJournal(host, evenIfAccepted: true) }
        guard hosts[host].agent?.pausedUntil ?? 0 <= now else { return }
        probes.hit(.recoveryResolved)
        hosts[host].agent?.lastCall += 1
        feed(.resolveRecovery(RequestID(hosts[host].agent?.lastCall ?? 0)), to: host)
        // What was adopted may be left of a VM that was stopped meanwhile.
        guard checks.views[host].isRecovering else { return detachGone(on: host) }
        // What could not be adopted is stopped.
        let bound = Set(checks.views[host].bindings.values.map(\.interface))
        let left = hosts[host].kernel.links.values.map(\.interface).filter { !bound.contains($0) }.sorted()
        if let interface = left.first, checks.views[host].granted == checks.views[host].identity {
            hosts[host].owedDetaches.append(interface)
        }
    }
}
