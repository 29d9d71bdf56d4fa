import AgentCore
import Logging
import NetworkTypes

extension AgentNotice {
    /// One line for the operator; what needs attention is a warning or an error.
    func write(to logger: Logger) {
        let (level, text) = line
        logger.log(level: level, "\(text)")
    }

    private var line: (Logger.Level, String) {
        switch self {
        case .granted(let boot): (.notice, "boot \(boot) granted: launches are served")
        case .refused(let code, let reason): (.error, "the coordinator refuses this host (\(code)): \(reason)")
        case .stopped(let code, let reason):
            (.error, "the coordinator lets this host bind nothing (\(code)): \(reason)")
        case .withdrawing(let bindings, let ports):
            (.error, "giving up what was held before this host was fenced: \(bindings) bindings, \(ports) other ports")
        case .holdEnded(let sni, let interface): (.notice, "the hold of SNI \(sni) for \(interface) is over")
        case .arrived(let sni, let interface): (.notice, "\(interface) (SNI \(sni)) has arrived here")
        case .departed(let sni, let interface): (.notice, "\(interface) (SNI \(sni)) runs at another host now")
        case .recovering(let ports):
            (
                .error,
                "no journal vouches for what runs here: \(ports) ports are kept, nothing new is bound; "
                    + "'outriderctl host replace' accepts them, then 'outriderctl agent resolve' here ends it"
            )
        case .recovered(let leases, let bindings, let ports):
            (.notice, "recovered \(leases) leases, \(bindings) bindings, \(ports) ports")
        case .stalePosition(let received, let persisted):
            (.warning, "refused a message of position \(received): \(persisted) is persisted")
        case .staleEpoch(let block, let received, let held):
            (.warning, "refused epoch \(received) of block \(block): \(held) is held")
        case .leaseRemovedInUse(let block, let users):
            (
                .error,
                "the coordinator removed block \(block) while \(users.map(\.description).joined(separator: ", ")) "
                    + "use it; kept until they are gone"
            )
        case .remoteOverlapsLease(let block):
            (.error, "the coordinator routes block \(block) to another host, but it is leased here; not staged")
        case .unknownPort(let sni, let interface):
            (
                .warning,
                "port of SNI \(sni) (\(interface?.description ?? "no mark")) is in the kernel but not in the journal"
            )
        case .missingPort(let sni, let interface):
            (.warning, "port of SNI \(sni) (\(interface)) is in the journal but not in the kernel")
        case .dataplanePending(let reason): (.warning, "kernel changes pending: \(reason)")
        case .portLeft(let sni, let failure): (.warning, "port of SNI \(sni) could not be removed: \(failure)")
        case .aggregatesFolded(let count):
            (.info, "\(count) old aggregates folded into coarser ones while the coordinator is away")
        case .aggregatesDropped(let count):
            (.warning, "\(count) aggregates given up while the coordinator is away; it will see a gap")
        case .pathSilent(let vtep):
            (.warning, "tunnel endpoint \(vtep) answers no echo: what is staged to it does not work")
        case .pathNarrow(let vtep):
            (.warning, "tunnel endpoint \(vtep) answers short echoes only: the underlay is too narrow for overlay-mtu")
        case .pathAnswers(let vtep): (.notice, "tunnel endpoint \(vtep) answers echoes again")
        case .journalFailed(let reason): (.critical, "the journal cannot be written, nothing is bound: \(reason)")
        }
    }
}
