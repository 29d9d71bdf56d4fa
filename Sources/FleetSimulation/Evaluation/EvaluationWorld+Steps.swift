import HeapModule
import NetworkTypes
import SNISpace

extension EvaluationWorld {
    /// Carries out what a policy wants; all it asks of the Network Manager at once is one request, all it gives back
    /// another.
    mutating func perform(_ steps: [AllocationStep], of application: Int, at now: Instant) throws(BookError) {
        guard !steps.isEmpty else { return }
        account(application, at: now)
        var request = Request()
        var givesBack = false
        for step in steps {
            switch step {
            case .reserve(let identifiers): request.identifiers += max(0, identifiers)
            case .unreserve(let identifiers):
                if try unreserve(application, identifiers) > 0 { givesBack = true }
            case .lease(let host, let order):
                let order = min(max(order, SNIBlock.orders.lowerBound), SNIBlock.orders.upperBound)
                if book.hasIdle(applications[application], order: order) {
                    try lease(application, to: host, order: order, origin: .reserved, at: now)
                } else {
                    request.identifiers += 1 << order
                    request.leases.append((host, order))
                    holdings[application].coming[host] += 1 << order
                }
            case .giveBack(let block, let host):
                if try mark(application, host, block, at: now) { givesBack = true }
            case .recall(let block, let host):
                if try mark(application, host, block, at: now) { recalled.insert(block) }
            }
        }
        if givesBack { tallies[application].request(at: now) }
        guard request.identifiers > 0 else { return }
        request.identifiers = (request.identifiers + 3) & ~3
        tallies[application].request(at: now)
        holdings[application].requested += request.identifiers
        requestCount += 1
        requests[requestCount] = request
        schedule(.granted(requestCount), application, at: now + plan.reserveDelay)
    }

    private mutating func mark(
        _ application: Int, _ host: Int, _ block: SNIBlock, at now: Instant
    ) throws(BookError) -> Bool {
        guard let index = holdings[application].blocks[host].firstIndex(where: { $0.block == block }),
            !holdings[application].blocks[host][index].isMarked,
            holdings[application].blocks[host][index].held.bound == 0
        else { return false }
        apply(try book.mark(block, reason: "surplus", force: false))
        holdings[application].blocks[host][index].held.standing = .marked
        holdings[application].blocks[host][index].held.epoch = book.epoch
        schedule(.drained, application, host: host, block: block, epoch: book.epoch, at: now + plan.drainDelay)
        return true
    }

    /// The highest first: what is left stays dense.
    private mutating func unreserve(_ application: Int, _ identifiers: Int) throws(BookError) -> Int {
        var left = identifiers
        for idle in book.idleBlocks(of: applications[application]).reversed() {
            var end = Int(idle.first.rawValue) + idle.size
            var size = idle.size
            while left >= 4, size >= 4 {
                while size > left { size /= 2 }
                guard size >= 4, end - size >= Int(idle.first.rawValue) else { break }
                let first = SessionNetworkID(unchecked: UInt32(end - size))
                guard let block = SNIBlock(first: first, size: size) else {
                    preconditionFailure("\(size) at \(first) of \(idle) are no block")
                }
                apply(try book.unreserve(block, of: applications[application]))
                holdings[application].reserved -= size
                (end, left) = (end - size, left - size)
            }
        }
        return identifiers - left
    }

    /// Everything that is due until `now`, that instant included.
    mutating func advance(to now: Instant) throws(BookError) {
        while let first = timers.min, first.at <= now {
            timers.removeMin()
            account(first.application, at: first.at)
            if case .granted(let number) = first.step {
                try grant(number, first.application, at: first.at)
                continue
            }
            guard let block = first.block, let lease = book.lease(of: block), lease.epoch == first.epoch else {
                continue
            }
            switch first.step {
            case .granted: break
            case .staged: if lease.state == .leased { apply(try book.stage(block)) }
            case .drained: try drain(first, block)
            case .removed:
                apply(try book.remove(block))
                schedule(
                    .freed, first.application, block: block, epoch: lease.epoch, at: first.at + plan.quarantine)
            case .freed:
                apply(try book.free(block))
                holdings[first.application].returning -= block.size
                if recalled.remove(block) != nil {
                    _ = try reserve(first.application, count: block.size, order: block.order)
                }
            }
        }
    }

    private mutating func drain(_ timer: Timer, _ block: SNIBlock) throws(BookError) {
        let (application, host) = (timer.application, timer.host)
        guard let index = holdings[application].blocks[host].firstIndex(where: { $0.block == block }) else {
            preconditionFailure("\(block) is drained, and host \(host) does not hold it")
        }
        precondition(holdings[application].blocks[host][index].held.bound == 0, "\(block) is drained and carries VMs")
        apply(try book.drain(block, epoch: timer.epoch))
        holdings[application].blocks[host].remove(at: index)
        holdings[application].leased -= block.size
        holdings[application].returning += block.size
        tellPeers(application, host, isAdded: false, at: timer.at)
        schedule(.removed, application, host: host, block: block, epoch: book.epoch, at: timer.at + plan.removeDelay)
    }

    /// The Network Manager's answer: powers of two, the largest first, then the leases that waited for them.
    private mutating func grant(_ number: Int, _ application: Int, at now: Instant) throws(BookError) {
        guard let request = requests.removeValue(forKey: number) else { return }
        holdings[application].requested -= request.identifiers
        var left = request.identifiers
        while left >= 4 {
            let part = 1 << min(12, Int.bitWidth - 1 - left.leadingZeroBitCount)
            let granted = try reserve(application, count: part, order: 2)
            guard granted > 0 else { break }
            left -= granted
        }
        for (host, order) in request.leases {
            holdings[application].coming[host] -= 1 << order
            var missing = 1 << order
            // What was granted in pieces is leased in pieces.
            for order in (SNIBlock.orders.lowerBound...order).reversed() {
                while missing >= 1 << order, book.hasIdle(applications[application], order: order) {
                    try lease(application, to: host, order: order, origin: .reserved, at: now)
                    missing -= 1 << order
                }
            }
        }
    }
}

extension EvaluationWorld {
    mutating func sample(_ application: Int) { tallies[application].sample(holdings[application]) }
}
