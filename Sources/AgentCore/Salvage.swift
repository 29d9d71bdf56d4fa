import FleetProtocol
public import NetworkTypes

extension Checkpoint {
    /// What a host that lost the end of its journal still stands by, as the first record of a new one. It is recovering.
    ///
    /// The good part is an old copy: since then identifiers were handed out, given back, leases came and went. What runs is
    /// the kernel's to say, and where everything is the coordinator's, as without a journal. Only what both know nothing of
    /// is kept: identifiers that were promised to VMs without a port, stopped or not yet plugged, unless the kernel shows
    /// that the identifier or the interface is somewhere else by now. Keeping one too many leaves an identifier idle.
    public static func salvaged(from entries: [JournalEntry], kernelPorts: [AdoptedPort]) -> Checkpoint {
        var found = DurableState()
        for entry in entries { _ = found.apply(entry.record, sequence: entry.sequence) }
        let identifiers = Set(kernelPorts.map(\.sni))
        let interfaces = Set(kernelPorts.compactMap(\.interface))
        var kept = Checkpoint()
        kept.recovering = true
        kept.resting = true
        kept.bindings = found.bindings.values.filter { bound in
            let awaitsPort = bound.binding.state == .bound && bound.port == .later && !bound.plugged
            return (bound.binding.state == .held || awaitsPort) && !identifiers.contains(bound.binding.sni)
                && !interfaces.contains(bound.binding.interface)
        }.sorted { $0.binding.sni < $1.binding.sni }
        kept.holds = kept.bindings.compactMap { bound in
            found.holds[bound.binding.sni].map { IdentifierHold(sni: bound.binding.sni, hold: $0) }
        }
        return kept
    }
}

extension JournalEntry {
    /// The boot in which the coordinator was last heard: what came before these entries' end was written in it, or before.
    public static func lastBoot(in entries: [JournalEntry]) -> BootID? {
        for entry in entries.reversed() {
            switch entry.record {
            case .grant(_, let grant, _), .stopped(_, let grant, _, _, _): return grant.identity.boot
            case .contact(let boot, _): return boot
            case .checkpoint(let all): return all.contact?.boot ?? all.grant?.identity.boot
            default: continue
            }
        }
        return nil
    }
}
