import AgentCore
import CoordinatorCore
import FleetProtocol
import NetworkTypes

/// Streams between agents and coordinators; what they may do is said at ``Stream``.
extension World {
    /// Keepalive of HTTP/2, shortened like all the times of a run.
    static let keepaliveInterval = 4 * Time.second

    private mutating func latency() -> Int64 { weather.latencyMin + networkDice.wait(mean: weather.latencyMean) }

    // MARK: Opening

    mutating func dial(from host: Int) {
        guard let agent = hosts[host].agent, agent.stream < 0 else { return }
        guard weather.cutUntil[host] <= now, let process = processToDial() else { return dialAgain(from: host) }
        let index = streams.count
        streams.append(Stream(host: host, agent: agent.number, process: process, identity: agent.identity))
        hosts[host].agent?.stream = index
        trace("h\(host)", "stream", "\(index) to c\(process)")
        feed(.connected, to: host)
        queue.put(.keepalive, index, at: now + Self.keepaliveInterval)
    }

    /// Mostly the one that holds the store; a deposed one that does not know it yet takes streams, too.
    private mutating func processToDial() -> Int? {
        if leader > 0, networkDice.chance(0.5), processes[leader - 1].isAlive { return leader - 1 }
        return leader >= 0 && processes[leader].isAlive ? leader : nil
    }

    private mutating func dialAgain(from host: Int) {
        guard let agent = hosts[host].agent else { return }
        let backoff = min(agent.backoff, 2 * Time.second)
        queue.put(.dial, host, ticket: agent.number, at: now + networkDice.time(backoff / 2, backoff))
        hosts[host].agent?.backoff = min(agent.backoff * 2, 2 * Time.second)
    }

    // MARK: Sending

    mutating func send(_ message: AgentMessage, from host: Int) {
        observe(sent: message, from: host)
        guard let index = hosts[host].agent?.stream, index >= 0, streams[index].agentSends, !streams[index].isBroken
        else { return }
        trace("h\(host)", "send", "\(message.summary)")
        putUp(.message(message), on: index)
    }

    private mutating func putUp(_ item: Stream.Upward, on index: Int, delay: Int64 = 0) {
        var wait = latency() + delay
        let slow = weather.slowUp[streams[index].host]
        if slow > 0 { wait += networkDice.time(slow / 2, slow) }
        let at = max(streams[index].lastUp, now + wait)
        streams[index].lastUp = at
        streams[index].up.append(.init(at: at, item: item))
        queue.put(.up, index, at: at)
    }

    mutating func send(_ message: CoordinatorMessage, at position: Position, on index: Int) {
        guard streams[index].coordinatorSends, !streams[index].isBroken else { return }
        trace("c\(streams[index].process)", "send", "h\(streams[index].host) \(position) \(message.summary)")
        putDown(.message(position, message), on: index)
    }

    private mutating func putDown(_ item: Stream.Downward, on index: Int, delay: Int64 = 0) {
        var wait = latency() + delay
        let slow = weather.slowDown[streams[index].host]
        if slow > 0 { wait += networkDice.time(slow / 2, slow) }
        let at = max(streams[index].lastDown, now + wait)
        streams[index].lastDown = at
        streams[index].down.append(.init(at: at, item: item))
        queue.put(.down, index, at: at)
    }

    // MARK: Ending

    /// The agent closes its half, to be told everything anew.
    mutating func hangUp(_ host: Int) {
        guard let index = hosts[host].agent?.stream, index >= 0, streams[index].agentSends else { return }
        probes.hit(.streamHalfClosed)
        streams[index].agentSends = false
        putUp(.end, on: index)
    }

    /// The coordinator ends the stream after what it has sent.
    mutating func close(_ index: Int) {
        guard streams[index].coordinatorSends else { return }
        streams[index].coordinatorSends = false
        observeClosed(index)
        putDown(.end, on: index)
        if streams[index].agentSends { putUp(.end, on: index) }
        streams[index].agentSends = false
    }

    /// The connection is gone. What is under way arrives up to some point; each end notices in its own time.
    mutating func breakStream(_ index: Int, noticeMax: Int64) {
        guard !streams[index].isBroken else { return }
        streams[index].isBroken = true
        probes.hit(.streamBroken)
        trace("world", "break", "stream \(index) of h\(streams[index].host)")
        let up = streams[index].up.count
        streams[index].up.removeLast(networkDice.below(up + 1))
        let down = streams[index].down.count
        streams[index].down.removeLast(networkDice.below(down + 1))
        putUp(.end, on: index, delay: networkDice.time(0, noticeMax))
        putDown(.end, on: index, delay: networkDice.time(0, noticeMax))
    }

    /// The agent's process is gone, and its sockets with it.
    mutating func dropStream(of host: Int, noticeMax: Int64 = 5 * Time.millisecond) {
        guard let index = hosts[host].agent?.stream, index >= 0 else { return }
        breakStream(index, noticeMax: noticeMax)
    }

    mutating func keepalive(_ index: Int) {
        guard !streams[index].isBroken, !streams[index].up.isEmpty || streams[index].agentSends else { return }
        let stream = streams[index]
        let process = processes[stream.process]
        let isSilent =
            weather.cutUntil[stream.host] > now || !process.isAlive || process.pausedUntil > now
            || !hosts[stream.host].isUp || (hosts[stream.host].agent?.pausedUntil ?? 0) > now
        guard isSilent else { return queue.put(.keepalive, index, at: now + Self.keepaliveInterval) }
        probes.hit(.keepaliveExpired)
        breakStream(index, noticeMax: Self.keepaliveInterval / 2)
    }

    // MARK: Arriving

    mutating func arriveUp(_ index: Int) {
        guard let first = streams[index].up.first, first.at <= now else { return }
        let process = streams[index].process
        guard processes[process].isAlive else {
            streams[index].up.removeAll()
            return
        }
        if processes[process].pausedUntil > now { return queue.put(.up, index, at: processes[process].pausedUntil) }
        let cut = weather.cutUntil[streams[index].host]
        if cut > now, !streams[index].isBroken { return queue.put(.up, index, at: cut + Time.millisecond) }
        streams[index].up.removeFirst()
        if !streams[index].coordinatorKnows {
            streams[index].coordinatorKnows = true
            feed(.connected(StreamID(UInt64(index))), toCoordinator: process)
        }
        switch first.item {
        case .message(let message):
            let host = streams[index].host
            trace("c\(process)", "receive", "h\(host) \(message.summary)")
            if hosts[host].agent?.stream != index, hosts[host].agent?.stream ?? -1 >= 0 {
                probes.hit(.oldStreamSpokeAfterNew)
            }
            observe(received: message, on: index, by: process)
            feed(.message(StreamID(UInt64(index)), streams[index].identity, message), toCoordinator: process)
        case .end:
            streams[index].coordinatorSends = false
            observeClosed(index)
            feed(.disconnected(StreamID(UInt64(index))), toCoordinator: process)
            if !streams[index].isBroken { putDown(.end, on: index) }
        }
    }

    mutating func arriveDown(_ index: Int) {
        guard let first = streams[index].down.first, first.at <= now else { return }
        let host = streams[index].host
        guard let agent = hosts[host].agent, agent.number == streams[index].agent, agent.stream == index else {
            streams[index].down.removeAll()
            return
        }
        if agent.pausedUntil > now { return queue.put(.down, index, at: agent.pausedUntil) }
        let cut = weather.cutUntil[host]
        if cut > now, !streams[index].isBroken { return queue.put(.down, index, at: cut + Time.millisecond) }
        streams[index].down.removeFirst()
        switch first.item {
        case .message(let position, let message):
            trace("h\(host)", "receive", "\(position) \(message.summary)")
            if streams[index].process != leader { probes.hit(.deposedLeaderSpoke) }
            if case .bootGrant = message { hosts[host].agent?.backoff = 100 * Time.millisecond }
            feed(.message(position, message), to: host)
        case .end:
            hosts[host].agent?.stream = -1
            feed(.disconnected, to: host)
            dialAgain(from: host)
        }
    }
}
