import NetworkTypes
import Testing

@testable import Allocation

@Suite struct MeasuredLeadTests {
    private func staged(_ lead: inout MeasuredLead, in seconds: Double) throws {
        let block = try #require(SNIBlock(first: SessionNetworkID(unchecked: 4096), size: 4))
        lead.begin(block, at: Instant(nanoseconds: 5))
        lead.end(block, at: Instant(nanoseconds: 5) + .seconds(seconds))
    }

    /// A slow one counts at once, quick ones for little.
    @Test func staysNearTheSlowOnes() throws {
        var lead = MeasuredLead()
        #expect(lead.value == nil)
        try staged(&lead, in: 0.1)
        #expect(lead.value == .seconds(0.1))
        try staged(&lead, in: 4.1)
        let slow = try #require(lead.value)
        #expect(slow > .seconds(2) && slow < .seconds(2.2))
        for _ in 0..<20 { try staged(&lead, in: 0.1) }
        let after = try #require(lead.value)
        #expect(after > .seconds(1) && after < slow)
    }

    /// What was never begun, or is not staged any more, measures nothing.
    @Test func countsWhatWasLeasedAhead() throws {
        var lead = MeasuredLead()
        let block = try #require(SNIBlock(first: SessionNetworkID(unchecked: 4096), size: 4))
        lead.end(block, at: Instant(nanoseconds: 9))
        lead.begin(block, at: Instant(nanoseconds: 1))
        lead.forget(block)
        lead.end(block, at: Instant(nanoseconds: 9))
        #expect(lead.value == nil)
    }
}
