import FleetProtocol
import NetworkTypes
import SNISpace

/// What `check` says of hosts that are not like any other.
extension CoordinatorMachine {
    func unresolved() -> [Finding] {
        var findings = live.hosts.keys.sorted().flatMap(conflicts) + silentPaths()
        for (id, safety) in state.safety.sorted(by: { $0.key < $1.key }) {
            if let freeze = safety.freeze { findings += frozen(id, freeze) }
            if let debt = safety.debt { findings.append(owing(id, debt)) }
            if let fence = safety.fence { findings.append(fenced(id, fence)) }
        }
        if let stop = restorationStop {
            findings.append(
                Finding(
                    code: stop.code, object: "store", detail: stop.reason,
                    remedy: "bring these hosts back; without them: outriderctl restore end --reason WHY"))
        }
        return findings
    }

    private func frozen(_ id: HostID, _ freeze: HostFreeze) -> [Finding] {
        switch freeze {
        case .rivals(let first, let second):
            return [
                Finding(
                    code: "host-frozen", object: "host \(id)", detail: "two machines speak: \(first), and \(second)",
                    remedy: "stop one of them with its VMs, then outriderctl host thaw \(id) --keep BOOT")
            ]
        case .unknownLeases(let leases):
            return leases.filter { !(live.hosts[id]?.unadopted.contains($0) ?? false) }.map { held in
                Finding(
                    code: "lease-adopted", object: "block \(held.block) on host \(id)",
                    detail: "the book did not know it; it was entered as the host reported it",
                    remedy: "check that its VMs are right, then outriderctl host thaw \(id)")
            }
        }
    }

    /// Also after a thaw, for as long as it lasts.
    private func conflicts(_ id: HostID) -> [Finding] {
        (live.hosts[id]?.unadopted ?? []).map { held in
            let other = state.book.leases(touching: held.block.range).first.map { "host \($0.host)" }
            return Finding(
                code: "lease-conflict", object: "block \(held.block) on host \(id)",
                detail:
                    "the book gives it to \(other ?? "somebody else"); its VMs run on, and nothing new is bound there",
                remedy: "move the VMs of one of them away, then outriderctl host thaw \(id)")
        }
    }

    private func owing(_ id: HostID, _ debt: PeerDebt) -> Finding {
        let named = debt.blocks.sorted().prefix(8).map(\.description).joined(separator: ", ")
        let more = debt.blocks.count > 8 || debt.isLonger ? " and more" : ""
        return Finding(
            code: "peer-debt", object: "host \(id)",
            detail: "its kernel may still carry \(named)\(more), which were removed without it",
            remedy: "bring the host back: the snapshot that it then acknowledges repays this")
    }

    private func fenced(_ id: HostID, _ fence: HostFence) -> Finding {
        guard !fence.isComplete else {
            return Finding(
                code: "host-fenced", object: "host \(id)",
                detail: "\(fence.proof.rawValue): \(fence.reason); its endpoint \(fence.vtep) is dropped everywhere",
                remedy: "nothing to do; when it returns it gives up what it held and joins afresh")
        }
        let owing = (live.fences[id] ?? [:]).keys.sorted().map(\.description).joined(separator: ", ")
        let time = live.timers.deadline(.fence(id)) == nil ? "" : "; bind-until has not passed yet"
        return Finding(
            code: "host-fencing", object: "host \(id)",
            detail: "not cut off yet: " + (owing.isEmpty ? "all hosts dropped its endpoint" : "waits for \(owing)")
                + time,
            remedy: "wait; or prove that it is off: outriderctl host fence \(id) --powered-off --reason WHY")
    }
}
