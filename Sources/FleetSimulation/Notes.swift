import AgentCore
import CoordinatorCore
import FleetProtocol

/// What the machines have to say of themselves only tells which paths a run was on; no check rests on it.
extension World {
    mutating func note(_ notice: AgentNotice, on host: Int) {
        trace("h\(host)", "notice", "\(notice)")
        switch notice {
        case .stalePosition: probes.hit(.staleSpeakerRefused)
        case .withdrawing: probes.hit(.fencedHostWithdrew)
        case .staleEpoch: probes.hit(.staleEpochRefused)
        case .leaseRemovedInUse: probes.hit(.leaseOrphaned)
        case .refused(let code, _):
            if code == "boot-conflict" { probes.hit(hosts[host].original == nil ? .bootConflict : .cloneRefused) }
            if code == "journal-behind" { probes.hit(.journalBehindRefused) }
            if code == "incarnation-conflict" { probes.hit(.reimagedRefused) }
        case .missingPort(_, let interface):
            if !slots.contains(where: { $0.host == host && $0.interface == interface && $0.phase != .idle }),
                !travellers(at: host).contains(interface)
            {
                hosts[host].owedDetaches.append(interface)
            }
        case .pathSilent: probes.hit(.pathSilent)
        case .pathNarrow: probes.hit(.pathNarrow)
        case .recovering: probes.hit(.recoveryEntered)
        default: break
        }
    }

    mutating func note(_ notice: Notice) {
        switch notice.code {
        case "host-unreachable": probes.hit(.hostUnreachable)
        case "preempting": probes.hit(.preempted)
        case "drain-timeout":
            probes.hit(.drainTimedOut)
            guard phase == .safety, !isImpatient else { return }
            isImpatient = true
            queue.put(.operate, 0, ticket: 1, at: now + operatorDice.time(100 * Time.millisecond, 2 * Time.second))
        case "stale-drain-answer": probes.hit(.staleDrainAnswer)
        default: break
        }
    }
}
