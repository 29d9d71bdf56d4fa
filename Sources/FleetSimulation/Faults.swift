import FleetProtocol
import NetworkTypes

/// A fault that lasts, and will be healed.
struct Fault {
    enum What {
        case kernelFailure(Int), kernelSlow(Int), journalFull(Int), journalSlow(Int), storeFull, storeSlow
        case slowUp(Int), slowDown(Int), hostsCut(Int, Int), clone(Int), narrowed(Int, Int)
    }
    var what: What
    var isOver = false
}

extension World {
    mutating func beginFault() {
        guard phase == .safety else { return }
        queue.put(.fault, -1, at: now + faultDice.wait(mean: plan.faultMean))
        let host = faultDice.below(plan.hosts)
        let kind = faultDice.pick(plan.faults)
        trace("world", "fault", "\(kind) h\(host)")
        switch kind {
        case .agentKill: killForAWhile(host)
        case .agentPause: pauseAgent(host)
        case .hostReboot: reboot(host)
        case .coordinatorKill:
            probes.hit(.coordinatorKilled)
            if leader >= 0, !isAnyDoubled { killCoordinator(leader, why: "killed") }
        case .coordinatorPause: pauseCoordinator()
        case .leaderChange: changeLeader()
        case .streamBreak: breakSomeStream(of: host)
        case .partition: partition(host)
        case .hostPartition: partitionHosts(host)
        case .latencySpike: last(faultDice.chance(0.7) ? .slowUp(host) : .slowDown(host))
        case .kernelFailure: last(.kernelFailure(host))
        case .kernelSlow: last(.kernelSlow(host))
        case .journalFull: last(.journalFull(host))
        case .journalSlow: last(.journalSlow(host))
        case .storeFull: last(.storeFull)
        case .storeSlow: last(.storeSlow)
        case .wallStep: stepWallClock()
        case .vmCrash: crashVMs(of: host)
        case .journalLoss: loseJournal(host, toForeign: false)
        case .journalForeign: loseJournal(host, toForeign: true)
        case .journalRollback: rollBackJournal(host)
        case .clone: clone(host)
        case .reimage: reimage(host)
        case .restoreBackup: restoreBackup()
        case .journalDamage: damageJournal(host)
        case .narrowPath: narrowPath(host)
        case .endpointChange: changeEndpoint(of: host)
        }
    }

    private mutating func length() -> Int64 { faultDice.wait(mean: plan.faultLength) }

    // MARK: Faults that end by themselves

    /// Nothing that hides a host from the coordinator befalls one whose clone is about: nobody could tell the two apart.
    func isDoubled(_ host: Int) -> Bool { hosts.contains { $0.original == host && $0.isUp } }
    private var isAnyDoubled: Bool { hosts.contains { $0.original != nil && $0.isUp } }

    private mutating func killForAWhile(_ host: Int) {
        guard hosts[host].agent != nil, !isDoubled(host) else { return }
        probes.hit(.agentKilled)
        killAgent(on: host)
        queue.put(.agentStart, host, at: now + faultDice.wait(mean: faultDice.pick([Time.second, plan.faultLength])))
    }

    private mutating func pauseAgent(_ host: Int) {
        guard !isDoubled(host) else { return }
        probes.hit(.agentPaused)
        let until = now + length()
        hosts[host].agent?.pausedUntil = until
    }

    private mutating func pauseCoordinator() {
        guard leader >= 0, processes[leader].isAlive, !isAnyDoubled else { return }
        probes.hit(.coordinatorPaused)
        processes[leader].pausedUntil = now + length()
    }

    private mutating func changeLeader() {
        guard leader >= 0, !isAnyDoubled else { return }
        probes.hit(.leaderChanged)
        startCoordinator()
        // For a while agents are sent now to the one, now to the other.
        for host in 0..<plan.hosts where faultDice.chance(0.5) {
            for _ in 0..<3 { queue.put(.breakStream, host, at: now + faultDice.time(0, 2 * Time.second)) }
        }
    }

    private mutating func breakSomeStream(of host: Int) {
        guard let index = hosts[host].agent?.stream, index >= 0, !isDoubled(host) else { return }
        breakStream(index, noticeMax: 2 * Time.second)
    }

    private mutating func partition(_ host: Int) {
        guard !isDoubled(host) else { return }
        probes.hit(.partitioned)
        weather.cutUntil[host] = now + length()
    }

    private mutating func stepWallClock() {
        probes.hit(.clockStepped)
        let hour = 3600 * Time.second
        clocks.wallOffset += faultDice.chance(0.7) ? faultDice.time(0, hour) : -faultDice.time(0, hour)
    }

    private mutating func crashVMs(of host: Int) {
        let all = faultDice.chance(0.3)
        for slot in slots.indices where slots[slot].host == host && (all || faultDice.chance(0.2)) { crashVM(slot) }
    }

    // MARK: Hosts

    mutating func reboot(_ host: Int) {
        guard hosts[host].isUp, !isDoubled(host) else { return }
        probes.hit(.hostRebooted)
        lose(host)
        queue.put(.hostBoot, host, at: now + Time.second + length())
    }

    /// Power is gone: kernel, processes and what was not synced.
    private mutating func lose(_ host: Int) {
        // Nobody closes the connection; the coordinator's keepalive must notice.
        dropStream(of: host, noticeMax: 2 * Self.keepaliveInterval)
        killAgent(on: host)
        hosts[host].isUp = false
        hosts[host].kernel = FakeKernel()
        trace("h\(host)", "power lost", "")
        kernelLost(on: host)
        hostGone(host)
    }

    mutating func boot(_ host: Int) {
        guard !hosts[host].isUp else { return }
        hosts[host].isUp = true
        hosts[host].boot = BootID(identityDice.uuid())
        hosts[host].number += 1
        clocks.bootZero[host] = now - identityDice.time(0, 20 * Time.second)
        trace("h\(host)", "boot", "\(hosts[host].boot)")
        queue.put(.agentStart, host, at: now + faultDice.time(0, Time.second))
        hostBack(host)
    }

    /// The agent's journal is gone (or another machine's) when it starts again.
    private mutating func loseJournal(_ host: Int, toForeign: Bool) {
        guard hosts[host].aside == nil, hosts[host].agent != nil, !isDoubled(host) else { return }
        killAgent(on: host)
        probes.hit(.journalLost)
        hosts[host].aside = hosts[host].journal
        hosts[host].journal = JournalDisk()
        if toForeign {
            hosts[host].journal.incarnation = Incarnation(identityDice.uuid())
            hosts[host].journal.fingerprint = "another machine"
        }
        hosts[host].isImpostor = true
        observeJournalGone(on: host)
        queue.put(.agentStart, host, at: now + faultDice.time(0, Time.second))
    }

    /// Somebody, or the disk, changes a byte of the file while the agent is dead.
    private mutating func damageJournal(_ host: Int) {
        guard hosts[host].aside == nil, hosts[host].agent != nil, !isDoubled(host) else { return }
        killAgent(on: host)
        guard !hosts[host].journal.entries.isEmpty else { return startAgent(on: host) }
        probes.hit(.journalDamaged)
        hosts[host].journal.good = faultDice.below(hosts[host].journal.entries.count)
        hosts[host].isImpostor = true
        observeJournalGone(on: host)
        queue.put(.agentStart, host, at: now + faultDice.time(0, Time.second))
    }

    /// The disk is put back from a snapshot, older than what the coordinator has acknowledged: a copy that is
    /// missing only what nobody else has heard of could not be told from the newest.
    private mutating func rollBackJournal(_ host: Int) {
        guard let copy = hosts[host].copy, hosts[host].aside == nil, hosts[host].agent != nil, !isDoubled(host),
            copy.incarnation == hosts[host].journal.incarnation, checks.views[host].reported > copy.durableSequence
        else { return }
        probes.hit(.journalRolledBack)
        lose(host)
        hosts[host].aside = hosts[host].journal
        hosts[host].journal = copy
        hosts[host].isRolledBack = true
        hosts[host].isImpostor = true
        observeJournalGone(on: host)
        queue.put(.hostBoot, host, at: now + Time.second + length())
    }

    /// The operator puts the journal back that was lost or set aside.
    mutating func restoreJournal(_ host: Int, evenIfAccepted: Bool = false) {
        guard let aside = hosts[host].aside else { return }
        let view = checks.views[host]
        // The new installation was accepted once, and the old journal is history.
        let isAccepted =
            view.granted != nil && view.granted?.incarnation == view.identity?.incarnation
            && !(view.isRefused && hosts[host].isRolledBack)
        hosts[host].aside = nil
        hosts[host].isImpostor = false
        hosts[host].isRolledBack = false
        if isAccepted, !evenIfAccepted { return }
        killAgent(on: host)
        // How full the disk is, is not the file's.
        let isFull = hosts[host].journal.isFull
        hosts[host].journal = aside
        hosts[host].journal.isFull = isFull
        hosts[host].isRestored = true
        queue.put(.agentStart, host, at: now + Time.second)
    }

    /// The machine is installed anew under its old name: nothing of its journal is left.
    private mutating func reimage(_ host: Int) {
        guard hosts[host].isUp, hosts[host].aside == nil, !isDoubled(host) else { return }
        probes.hit(.reimaged)
        lose(host)
        hosts[host].aside = hosts[host].journal
        hosts[host].journal = JournalDisk()
        hosts[host].isImpostor = true
        observeJournalGone(on: host)
        queue.put(.hostBoot, host, at: now + Time.second + length())
    }

    /// What a spike has delayed outlasts it, and hides a host as well as a partition does.
    private func isHeldUp(_ stream: Int) -> Bool { streams[stream].up.contains { $0.at > now + Time.second } }

    /// A copy of the disk starts on other hardware while the original reports.
    private mutating func clone(_ host: Int) {
        guard let stream = hosts[host].agent?.stream, stream >= 0, !isHeldUp(stream),
            weather.cutUntil[host] <= now, !isDoubled(host),
            hosts.count < World.hostsMax(plan), hosts[host].aside == nil,
            hosts[host].agent?.pausedUntil ?? 0 <= now, checks.contacts[host].isOpen, !isExcused(host),
            checks.contacts[host].identity == hosts[host].agent?.identity, processes[leader].isAlive,
            processes[leader].pausedUntil <= now, !faults.contains(where: { !$0.isOver })
        else { return }
        probes.hit(.cloneStarted)
        addHost(named: hosts[host].name.name, vtep: UInt32(host))
        let copy = hosts.count - 1
        hosts[copy].fingerprint = hosts[host].fingerprint
        hosts[copy].vtep = hosts[host].vtep
        hosts[copy].addresses = hosts[host].addresses
        hosts[copy].original = host
        hosts[copy].isImpostor = true
        hosts[copy].hasClients = false
        hosts[copy].journal = hosts[host].journal
        _ = hosts[copy].journal.tear(keeping: 0)
        checks.addHost()
        observeClone(copy, of: host)
        observeLost(after: hosts[copy].journal.durableSequence, upTo: hosts[host].journal.submitted, on: copy)
        startAgent(on: copy)
        last(.clone(copy))
    }

    /// The store is lost, and an old backup is put in its place; the operator says so at the next start.
    private mutating func restoreBackup() {
        guard let backup = store.backup, leader >= 0, !isAnyDoubled, backup.knowsHosts(of: store) else { return }
        for process in processes.indices { killCoordinator(process, why: "the store is lost") }
        store.snapshot = backup.snapshot
        store.events = backup.events
        store.history = backup.history
        store.backup = nil
        store.isDeclaredOld = true
        observeRestore()
    }

    // MARK: Faults that are healed

    private mutating func last(_ what: Fault.What) {
        if isAnyDoubled, case .clone = what {} else if isAnyDoubled { return }
        faults.append(Fault(what: what))
        set(what, on: true)
        queue.put(.heal, faults.count - 1, at: now + length())
    }

    mutating func endFault(_ index: Int) {
        guard !faults[index].isOver else { return }
        faults[index].isOver = true
        set(faults[index].what, on: false)
    }

    private mutating func set(_ what: Fault.What, on: Bool) {
        trace("world", on ? "begins" : "ends", "\(what)")
        switch what {
        case .kernelFailure(let host): hosts[host].refusal = on ? faultDice.pick([0.1, 0.5, 1]) : 0
        case .kernelSlow(let host):
            if on { probes.hit(.kernelSlow) }
            hosts[host].writeTime = on ? faultDice.time(20, 800) * Time.millisecond : 200 * Time.microsecond
        case .journalFull(let host): hosts[host].journal.isFull = on
        case .journalSlow(let host):
            hosts[host].syncTime = on ? faultDice.time(20, 800) * Time.millisecond : 800 * Time.microsecond
        case .storeFull: store.isFull = on
        case .storeSlow: storeTime = on ? faultDice.time(20, 900) * Time.millisecond : 2 * Time.millisecond
        case .slowUp(let host):
            if on { probes.hit(.latencySpike) }
            weather.slowUp[host] = on ? faultDice.time(Time.second, 8 * Time.second) : 0
        case .slowDown(let host): weather.slowDown[host] = on ? faultDice.time(Time.second, 8 * Time.second) : 0
        case .hostsCut(let one, let other):
            if on { weather.cut(one, other) } else { weather.join(one, other) }
        case .clone(let copy):
            if !on { removeClone(copy) }
        case .narrowed(let one, let other):
            if on { weather.narrow(one, other) } else { weather.widen(one, other) }
        }
    }

    private mutating func partitionHosts(_ host: Int) {
        let other = faultDice.below(plan.hosts)
        guard other != host else { return }
        probes.hit(.hostsPartitioned)
        last(.hostsCut(host, other))
    }

    private mutating func narrowPath(_ host: Int) {
        let other = faultDice.below(plan.hosts)
        guard other != host else { return }
        last(.narrowed(host, other))
    }

    private mutating func removeClone(_ copy: Int) {
        guard hosts[copy].isUp else { return }
        lose(copy)
    }

    /// The operator looks after what does not mend itself; then faults are over.
    mutating func endAllFaults() {
        for index in faults.indices { endFault(index) }
        for host in hosts.indices {
            weather.cutUntil[host] = now
            hosts[host].journal.isFull = false
            if hosts[host].agent?.pausedUntil ?? 0 > now { killAgent(on: host) }
            if hosts[host].isRolledBack || faultDice.chance(0.5) { restoreJournal(host) }
            if !hosts[host].isUp, hosts[host].original == nil { boot(host) }
            guard hosts[host].original == nil, hosts[host].isUp else { continue }
            // An agent whose journal failed binds nothing until it starts again.
            if hosts[host].journalFailed { killAgent(on: host) }
            if hosts[host].agent == nil { queue.put(.agentStart, host, at: now + faultDice.time(0, Time.second)) }
        }
        for process in processes.indices {
            if process != leader { killCoordinator(process, why: "deposed") }
            if processes[process].pausedUntil > now { killCoordinator(process, why: "stopped for too long") }
        }
        if leader >= 0, !processes[leader].isAlive { queue.put(.coordinatorStart, 0, at: now + Time.second) }
    }
}
