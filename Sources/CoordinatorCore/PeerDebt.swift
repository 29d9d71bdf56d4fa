import NetworkTypes

/// Debts of hosts that a removal went on without: they may still send to a block that belongs to somebody else by now.
/// The receiver's filter makes that harmless, and the debt makes it known.
///
/// | state | event | next |
/// |---|---|---|
/// | unreachable | a removal goes on without it | unreachable, debt named in the log of events |
/// | unreachable, debt | says hello | repaying: gets a snapshot; no lease, no handshake waits for it |
/// | repaying | another removal meanwhile | repaying, longer debt |
/// | repaying | stream ends, or silence | unreachable, debt |
/// | connected, repaying | says that its journal cannot be written | impaired: speaks, and is not waited for |
/// | impaired | says hello | connected, or repaying what it owes |
/// | repaying | acknowledges what says the last of the debt | connected, no debt; flips that it was told of wait for it |
extension CoordinatorMachine {
    mutating func incurDebt(of block: SNIBlock, by host: HostID) {
        guard state.hosts[host] != nil else { return }
        live.hosts[host]?.repaidAt = .max
        live.undatedDebts.insert(host)
        let debt = state.safety[host]?.debt
        guard !(debt?.isLonger ?? false), !(debt?.blocks.contains(block) ?? false) else { return }
        commit(.host(host, .debtIncurred(block)))
    }

    /// After everything was told: what says the last of a debt is what was sent last.
    mutating func dateDebts() {
        for host in live.undatedDebts {
            guard let known = live.hosts[host], known.repaidAt == .max, known.reach == .repaying else { continue }
            live.hosts[host]?.repaidAt = known.sentRevision
        }
        live.undatedDebts = []
    }

    mutating func repay(_ host: HostID, at revision: UInt64) {
        guard live.hosts[host]?.reach == .repaying, let needed = live.hosts[host]?.repaidAt, needed <= revision else {
            return
        }
        live.hosts[host]?.repaidAt = nil
        live.hosts[host]?.reach = .connected
        awaitFlips(by: host, after: revision)
        commit(.host(host, .debtRepaid))
        notice(.info, "debt-repaid", "host \(host) acknowledged a snapshot; it counts again")
    }
}
