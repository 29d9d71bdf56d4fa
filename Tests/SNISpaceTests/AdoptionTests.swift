import NetworkTypes
import Testing

@testable import SNISpace

/// Leases that hosts report and a restored book does not know.
@Suite struct AdoptionTests {
    private let web = ApplicationID(UUID128(high: 1, low: 1))
    private let data = ApplicationID(UUID128(high: 1, low: 2))

    private func id(_ number: UInt64) -> ReservationID { ReservationID(UUID128(high: 9, low: number)) }

    private func book() throws -> Book {
        Book(
            plan: try PoolPlan(
                chunkOrder: 12, pool: [SNIRange(unchecked: 4096, count: 65_536)], excluded: [],
                key: ShuffleKey(high: 1, low: 2)))
    }

    private func adopt(
        _ block: SNIBlock, for application: ApplicationID, epoch: UInt64, into book: inout Book, number: UInt64
    ) throws -> BlockLease {
        let host = try #require(HostID("h1"))
        for event in try book.adopt(
            block, application: application, host: host, epoch: Epoch(epoch), id: id(number), lifetime: .seconds(60),
            reason: "reported")
        { book.apply(event) }
        return try #require(book.lease(of: block))
    }

    @Test func whatIsFreeOrReservedForItsApplicationBecomesItsBlock() throws {
        var book = try book()
        let block = try #require(SNIBlock(first: SessionNetworkID(unchecked: 0x3010), size: 16))
        let lease = try adopt(block, for: web, epoch: 70, into: &book, number: 1)
        #expect(lease.epoch == Epoch(70) && lease.application == web && lease.state == .leased)
        #expect(book.epoch == Epoch(70) && book.owned(by: web) == 16)
        // A neighbour in the same, open chunk; its epoch rises over the book's.
        let next = try #require(SNIBlock(first: SessionNetworkID(unchecked: 0x3020), size: 4))
        #expect(try adopt(next, for: data, epoch: 3, into: &book, number: 2).epoch > Epoch(70))
        let reserved = try book.reserve(
            id: id(3), application: web, count: 16, blockOrder: 4, predicted: false, lifetime: .seconds(60), reason: "r"
        )
        for event in reserved { book.apply(event) }
        let own = try #require(book.reservation(id(3))).block
        let owned = book.owned(by: web)
        #expect(try adopt(own, for: web, epoch: 90, into: &book, number: 4).block == own)
        #expect(book.owned(by: web) == owned, "it was the application's already")
        #expect(book.reservation(id(4)) == nil)
    }

    @Test func whatSomebodyElseOwnsIsRefused() throws {
        var book = try book()
        let block = try #require(SNIBlock(first: SessionNetworkID(unchecked: 0x3010), size: 16))
        _ = try adopt(block, for: web, epoch: 1, into: &book, number: 1)
        let before = book
        let half = try #require(SNIBlock(first: SessionNetworkID(unchecked: 0x3018), size: 8))
        let around = try #require(SNIBlock(first: SessionNetworkID(unchecked: 0x3000), size: 64))
        for (other, application) in [(half, web), (half, data), (around, data), (block, web)] {
            #expect(throws: BookError.overlapping(other.range, block.range)) {
                try adopt(other, for: application, epoch: 5, into: &book, number: 2)
            }
        }
        let outside = try #require(SNIBlock(first: SessionNetworkID(unchecked: 16), size: 16))
        #expect(throws: BookError.outsidePool(outside.range)) {
            try adopt(outside, for: web, epoch: 5, into: &book, number: 2)
        }
        let single = try #require(SNIBlock(first: SessionNetworkID(unchecked: 0x3030), size: 1))
        #expect(throws: BookError.self) { try adopt(single, for: web, epoch: 5, into: &book, number: 2) }
        #expect(book == before)
    }

    @Test func anAdoptedBlockGoesBackLikeAnyOther() throws {
        var book = try book()
        let block = try #require(SNIBlock(first: SessionNetworkID(unchecked: 0x3010), size: 16))
        _ = try adopt(block, for: web, epoch: 1, into: &book, number: 1)
        for event in try book.fence(block, reason: "x") { book.apply(event) }
        for event in try book.remove(block) { book.apply(event) }
        for event in try book.free(block) { book.apply(event) }
        #expect(book.free == book.capacity && book.owned(by: web) == 0)
    }
}
