import FleetProtocol
public import NetworkTypes
import SNISpace

/// Comparison of every view that the coordinator has: its book, and what hosts last reported and acknowledged, and what
/// their kernels carry.
extension CoordinatorMachine {
    /// Names every disagreement. Changes nothing.
    public func check(at now: Instant) -> CheckReport {
        var findings: [Finding] = []
        var compared = 0
        for (id, record) in state.hosts.sorted(by: { $0.key < $1.key }) {
            guard let host = live.hosts[id], host.reach == .connected else {
                findings += absent(id)
                continue
            }
            compared += 1
            findings += progress(of: id, host)
            findings += inventory(of: id, host)
            findings += kernel(of: id, host)
            if let refusal = host.refusal {
                findings.append(
                    Finding(
                        code: refusal, object: "host \(id)",
                        detail: "another agent was refused under the name that \(record.incarnation) holds",
                        remedy: "give it a host id of its own"))
            }
        }
        findings += unresolved()
        findings += bindings()
        findings += stalled()
        findings += ledger()
        return CheckReport(findings: findings, hostsCompared: compared, blocksCompared: state.book.leaseCount)
    }

    private func absent(_ id: HostID) -> [Finding] {
        let leases = state.book.leaseCount(of: id)
        guard leases > 0 || live.hosts[id]?.refusal != nil else { return [] }
        let why = live.hosts[id]?.refusal.map { ", last refused with \($0)" } ?? ""
        return [
            Finding(
                code: "host-unreachable", object: "host \(id)",
                detail: "no stream\(why); its \(leases) blocks could not be compared",
                remedy: "bring the host or its agent back")
        ]
    }

    private func progress(of id: HostID, _ host: HostLive) -> [Finding] {
        var findings: [Finding] = []
        // The position counts every write of the installation; only updates to this host matter here.
        if host.acknowledged.revision < host.sentRevision {
            findings.append(
                Finding(
                    code: "host-behind", object: "host \(id)",
                    detail: "its kernel is at \(host.acknowledged.revision), it was told \(host.sentRevision)",
                    remedy: "wait a moment; if it stays, look at the agent's log"))
        }
        for object in host.report?.pending ?? [] {
            findings.append(
                Finding(
                    code: "kernel-pending", object: "host \(id)", detail: object,
                    remedy: "the agent keeps trying; its log says what the kernel answered"))
        }
        return findings
    }

    /// What the host's journal said at its last hello, as long as it has not acknowledged anything newer.
    private func inventory(of id: HostID, _ host: HostLive) -> [Finding] {
        guard host.acknowledged == .zero else { return [] }
        return host.inventory.compactMap { held in
            if let lease = state.book.lease(of: held.block), lease.host == id, lease.application == held.application {
                return nil
            }
            return Finding(
                code: "lease-unknown-to-coordinator", object: "block \(held.block) on host \(id)",
                detail: "the host's journal has it at epoch \(held.epoch), the book does not",
                remedy: "the snapshot that the host was sent removes it; look again once the host acknowledged it")
        }
    }

    private func bindings() -> [Finding] {
        var findings: [Finding] = []
        var owners: [UInt32: HostID] = [:]
        for (host, entries) in state.bindings.byHost.sorted(by: { $0.key < $1.key }) {
            for (sni, entry) in entries.sorted(by: { $0.key < $1.key }) {
                let record = entry.record
                let object = "SNI \(record.sni) on host \(host)"
                // Both ends of a migration hold it for a while.
                let isMigrating = state.migrations[record.sni]?.interface == record.interface
                if let other = owners.updateValue(host, forKey: sni), !isMigrating {
                    findings.append(
                        Finding(
                            code: "sni-bound-twice", object: object, detail: "host \(other) reports it too",
                            remedy: "stop \(record.interface) on one of them"))
                }
                guard let lease = state.book.lease(around: record.sni, of: host) else {
                    findings.append(
                        Finding(
                            code: "binding-without-lease", object: object,
                            detail: "\(record.interface) is \(record.state.rawValue) outside every lease of the host",
                            remedy: "detach \(record.interface)"))
                    continue
                }
                if lease.application != record.application {
                    findings.append(
                        Finding(
                            code: "binding-of-another-application", object: object,
                            detail: "bound for \(record.application), the block is leased for \(lease.application)",
                            remedy: "detach \(record.interface)"))
                }
            }
        }
        return findings
    }

    private func stalled() -> [Finding] {
        everyLease.filter { $0.state == .draining }.compactMap { lease in
            let owing = (live.waits[lease.block.key] ?? [:]).keys
                .filter { live.hosts[$0]?.reach != .connected }.sorted()
            guard !owing.isEmpty else { return nil }
            return Finding(
                code: "removal-waits", object: "block \(lease.block)",
                detail: "not acknowledged by \(owing.map(\.description).joined(separator: ", "))",
                remedy: "bring these hosts back; the block is not reused before")
        }
    }

    /// Every identifier is free or owned, and every owner is known.
    private func ledger() -> [Finding] {
        var findings: [Finding] = []
        var owned = 0
        for application in state.book.applications {
            let holdings = state.book.holdings(of: application)
            owned += holdings.owned
            if state.applications[application] == nil, holdings.owned > 0 {
                findings.append(
                    Finding(
                        code: "owner-unknown", object: "application \(application)",
                        detail: "owns \(holdings.owned) identifiers and does not exist",
                        remedy: "report this: no sequence of requests should lead here"))
            }
        }
        if owned != state.book.holdings.owned || owned + state.book.free != state.book.capacity {
            findings.append(
                Finding(
                    code: "identifiers-leaked", object: "pool",
                    detail: "\(owned) owned and \(state.book.free) free of \(state.book.capacity)",
                    remedy: "report this: no sequence of requests should lead here"))
        }
        return findings
    }
}
