import NetworkTypes
import SimulationKit
import Telemetry
import Testing

@Suite struct LibvirtDomainTests {
    private static let application = "6f1d0c1e-0000-4000-8000-000000000001"
    /// As libvirt 9 writes it, shortened.
    private static let file = """
        <!--
        WARNING: THIS IS AN AUTO-GENERATED FILE. <CHANGES> ARE LOST
        -->
        <domstatus state='running' reason='booted' pid='4242'>
          <taint flag='custom-argv'/>
          <vcpus><vcpu id='0' pid='4243'/></vcpus>
          <domain type='kvm' id='7'>
            <name>web &amp; more</name>
            <uuid>0f8fad5b-d9cb-469f-a165-70867728950e</uuid>
            <metadata>
              <other:application xmlns:other="urn:other">6f1d0c1e-0000-4000-8000-00000000000f</other:application>
              <outrider:application xmlns:outrider="urn:outrider:application">\(application)</outrider:application>
            </metadata>
            <description><![CDATA[<interface> of nobody]]></description>
            <devices>
              <disk type='file'><target dev='vda' bus='virtio'/></disk>
              <interface type='bridge'>
                <mac address='52:54:00:00:00:01'/><target dev='vnet3'/><model type='virtio'/>
              </interface>
              <interface type='direct'><source dev="eth0"/><target dev="macvtap0"/></interface>
              <interface type='user'/>
            </devices>
          </domain>
        </domstatus>

        """

    @Test func everythingThatIsNeededIsRead() throws {
        let domain = try #require(LibvirtDomain(runtimeFile: Array(Self.file.utf8)))
        #expect(domain.name == "web & more" && domain.process == 4242)
        #expect(domain.uuid.description == "0f8fad5b-d9cb-469f-a165-70867728950e")
        #expect(domain.interfaces == ["vnet3", "macvtap0"])
        #expect(domain.application?.description == Self.application)
    }

    @Test(arguments: [
        ("urn:outrider:application", "urn:outrider:else"), ("outrider:application xmlns", "outrider:app xmlns"),
    ])
    func metadataOfOthersIsNotOurs(_ text: String, _ other: String) {
        // Either the document stays well formed and names nobody, or it is refused.
        let changed = Self.file.replacing(text, with: other)
        #expect(LibvirtDomain(runtimeFile: Array(changed.utf8))?.application == nil)
    }

    /// libvirt may be writing: what is cut off is no domain.
    @Test func aFileThatIsCutOffIsNone() {
        let bytes = Array(Self.file.utf8)
        let end = bytes.count - 2
        for count in stride(from: 0, to: end, by: 7) {
            #expect(LibvirtDomain(runtimeFile: Array(bytes[..<count])) == nil, "\(count)")
        }
    }

    @Test(arguments: [
        "", "<a>", "<a/><b/>", "<!DOCTYPE a []><a/>", "<domain><name>a</name></domain>", "text", "<a x=1/>",
        "<a x='1' x='2'/>", "<a>&unknown;</a>", "<a></b>", "<a x='<'/>",
        String(repeating: "<a>", count: 1000) + String(repeating: "</a>", count: 1000),
    ])
    func otherTextIsNone(_ text: String) { #expect(LibvirtDomain(runtimeFile: Array(text.utf8)) == nil) }

    /// Whatever stands in the file, reading ends, and says at most what an interface may be called.
    @Test func hostileBytes() throws {
        try property("libvirt runtime files", iterations: 2000) { generator in
            var bytes = Array(Self.file.utf8)
            for _ in 0..<Int.random(in: 1...12, using: &generator) {
                let index = Int.random(in: 0..<bytes.count, using: &generator)
                switch Int.random(in: 0..<4, using: &generator) {
                case 0: bytes[index] = UInt8.random(in: 0...255, using: &generator)
                case 1: bytes.remove(at: index)
                case 2: bytes.insert(Array("<>&'\"/=!?-]".utf8).randomElement(using: &generator) ?? 0, at: index)
                default: bytes.replaceSubrange(index..<min(bytes.count, index + 40), with: bytes.suffix(20))
                }
            }
            let domain = LibvirtDomain(runtimeFile: bytes)
            try hold((domain?.interfaces ?? []).allSatisfy { (1...15).contains($0.utf8.count) }, "\(bytes)")
        }
    }
}
