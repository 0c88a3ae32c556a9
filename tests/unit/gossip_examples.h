/* Golden datagrams of the gossip wire, both protocol versions, and what each of
 * them says. The bytes came out of chitchat 0.10 and 0.13 or were read by
 * them; the numbers only name them.
 *
 * The text is that of `describe` in gossip_wire_test.c:
 *
 *   VERSION TYPE CLUSTER {ID HEARTBEAT LAST_GC MAX; ...}
 *       [ID LAST_GC FROM: KEY=VALUE@VERSION ... | MAX; ...]
 *
 * with - behind a tombstone's version and ~ behind a delete after TTL. */
#pragma once

#include <stdbool.h>

#define N1 "node-1/1767225600000/10.0.0.1:7946"
#define N2 "node-2/1767225600123/10.0.0.2:7946"
#define N3 "node-3/1767225601000/[2001:db8::3]:7946"
#define A50 "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define START_UP                                                               \
    "node:state=active@1 node:rpc_addr=10.0.0.1:9000@2 "                       \
    "node:raft_addr=10.0.0.1:9001@3 node:name=alpha@4 load:cores=8@5 "         \
    "load:memory_bytes=34359738368@6 node:version=0.1.0@7 "                    \
    "shuffle:addr=10.0.0.1:40123@8"

struct gossip_example {
    const char *name;
    const char *hex;
    const char *meaning;
    bool is_exact; /* a writer that stores blocks raw writes these bytes */
};

static const struct gossip_example gossip_examples[] = {
        {.name = "10.1 BadCluster",
                .hex = "53b00003",
                .meaning = "V0 BadCluster",
                .is_exact = true},
        {.name = "10.2 Syn, empty digest",
                .hex = "53b000000000040077656674",
                .meaning = "V0 Syn weft {}",
                .is_exact = true},
        {.name = "10.3 Syn, one node",
                .hex = "53b00000010006006e6f64652d3100a8da769b010000040a"
                       "0000010a1f2a000000000000000000000000000000080000"
                       "0000000000040077656674",
                .meaning = "V0 Syn weft {" N1 " 42 0 8}",
                .is_exact = true},
        {.name = "10.4 Syn, IPv4 and IPv6",
                .hex = "53b00000020006006e6f64652d3100a8da769b010000040a"
                       "0000010a1f2a000000000000000000000000000000080000"
                       "000000000006006e6f64652d33e8abda769b010000062001"
                       "0db80000000000000000000000030a1f0700000000000000"
                       "05000000000000002c01000000000000040077656674",
                .meaning = "V0 Syn weft {" N1 " 42 0 8; " N3 " 7 5 300}",
                .is_exact = true},
        {.name = "10.5 SynAck, empty",
                .hex = "53b00001000000",
                .meaning = "V0 SynAck {} []",
                .is_exact = true},
        {.name = "10.5 Ack, empty",
                .hex = "53b0000200",
                .meaning = "V0 Ack []",
                .is_exact = true},
        {.name = "10.6 SynAck, digest and delta",
                .hex = "53b00001020006006e6f64652d3100a8da769b010000040a"
                       "0000010a1f2b000000000000000000000000000000080000"
                       "000000000006006e6f64652d327ba8da769b010000040a00"
                       "00020a1f0900000000000000000000000000000004000000"
                       "000000000293000006006e6f64652d327ba8da769b010000"
                       "040a0000020a1f0000000000000000000000000000000001"
                       "0a006e6f64653a7374617465060061637469766501000000"
                       "0000000000010c0073687566666c653a616464720e003130"
                       "2e302e302e323a3430313233020000000000000000010300"
                       "6f6c6400000300000000000000010105006c656173650100"
                       "7804000000000000000200",
                .meaning =
                        "V0 SynAck {" N1 " 43 0 8; " N2 " 9 0 4} [" N2
                        " 0 0: node:state=active@1 "
                        "shuffle:addr=10.0.0.2:40123@2 old=@3- lease=x@4~ | 4]",
                .is_exact = true},
        {.name = "10.7 Ack, only SetMaxVersion",
                .hex = "53b000020231000006006e6f64652d3100a8da769b010000"
                       "040a0000010a1f0c00000000000000080000000000000002"
                       "0c0000000000000000",
                .meaning = "V0 Ack [" N1 " 12 8: | 12]",
                .is_exact = true},
        {.name = "10.8 Ack, one zstd block",
                .hex = "53b0000201d00028b52ffd603d00350600e249252a7027ce"
                       "01fcffff5f43000004e8a0546335bd69a156a2aa92f34d55"
                       "7be3ea145c7064a67a23e07f43445257c402f81845361545"
                       "0a924dbc052eef8745275b1b0b409a83d84404c72032f100"
                       "b66f96f06495565d091ccd9bed4a2139995277064b17c53f"
                       "ba626b81803762e5f0de73245c1e7c52e7e407ba6ad25a63"
                       "d385f8485fbe56baf601d77e67fc6d016b603824e849ad23"
                       "0f13002017ec8d1acb0935756686b0a932c01078ca427049"
                       "302e2830536940be4b95910b3fa8811d4575a9abd5013c00",
                .meaning = "V0 Ack [" N1 " 0 0: " START_UP " | 8]",
                .is_exact = false},
        {.name = "10.8 Ack, the same stored raw",
                .hex = "53b00002023d010006006e6f64652d3100a8da769b010000"
                       "040a0000010a1f0000000000000000000000000000000001"
                       "0a006e6f64653a7374617465060061637469766501000000"
                       "0000000000010d006e6f64653a7270635f616464720d0031"
                       "302e302e302e313a39303030020000000000000000010e00"
                       "6e6f64653a726166745f616464720d0031302e302e302e31"
                       "3a393030310300000000000000000109006e6f64653a6e61"
                       "6d650500616c706861040000000000000000010a006c6f61"
                       "643a636f7265730100380500000000000000000111006c6f"
                       "61643a6d656d6f72795f62797465730b0033343335393733"
                       "38333638060000000000000000010c006e6f64653a766572"
                       "73696f6e0500302e312e30070000000000000000010c0073"
                       "687566666c653a616464720e0031302e302e302e313a3430"
                       "31323308000000000000000000",
                .meaning = "V0 Ack [" N1 " 0 0: " START_UP " | 8]",
                .is_exact = true},
        {.name = "10.9 Ack, an operation across two blocks",
                .hex = "53b000020214000006006e6f64652d327ba8da769b010000"
                       "040a00023c0000020a1f0000000000000000040000000000"
                       "0000010c0073687566666c653a616464720e0031302e302e"
                       "302e323a343039393905000000000000000000",
                .meaning = "V0 Ack [" N2
                           " 0 4: shuffle:addr=10.0.0.2:40999@5 | 5]",
                .is_exact = false},
        {.name = "10.10 Ack, a raw and a zstd block",
                .hex = "53b000020228000006006e6f64652d327ba8da769b010000"
                       "040a0000020a1f0000000000000000040000000000000001"
                       "200028b52ffd20d7bd0000800101006bc800610500000000"
                       "000000000100440a180100",
                .meaning = "V0 Ack [" N2 " 0 4: k=" A50 A50 A50 A50 "@5 | 5]",
                .is_exact = false},
        {.name = "10.11 Ack, a reset cut short",
                .hex = "53b00002023c000006006e6f64652d327ba8da769b010000"
                       "040a0000020a1f7800000000000000000000000000000001"
                       "05006b65795f6301007650000000000000000000",
                .meaning = "V0 Ack [" N2 " 120 0: key_c=v@80 | 80]",
                .is_exact = true},
        {.name = "10.12 Ack, two node deltas",
                .hex = "53b00002028b000006006e6f64652d327ba8da769b010000"
                       "040a0000020a1f0000000000000000040000000000000001"
                       "0100610100310500000000000000000006006e6f64652d33"
                       "e8abda769b0100000620010db80000000000000000000000"
                       "030a1f05000000000000002c010000000000000101006201"
                       "00322d01000000000000000101006300002e010000000000"
                       "000100",
                .meaning = "V0 Ack [" N2 " 0 4: a=1@5 | 5; " N3
                           " 5 300: b=2@301 c=@302- | 302]",
                .is_exact = true},
        {.name = "10.13 an exchange, Syn",
                .hex = "53b00000010006006e6f64652d3100a8da769b010000040a"
                       "0000010a1f02000000000000000000000000000000020000"
                       "0000000000040077656674",
                .meaning = "V0 Syn weft {" N1 " 2 0 2}",
                .is_exact = true},
        {.name = "10.13 an exchange, SynAck",
                .hex = "53b00001020006006e6f64652d3100a8da769b010000040a"
                       "0000010a1f02000000000000000000000000000000000000"
                       "000000000006006e6f64652d327ba8da769b010000040a00"
                       "00020a1f0200000000000000000000000000000002000000"
                       "0000000001650028b52ffd206ee50200e4040006006e6f64"
                       "652d327ba8da769b010000040a0000020a1f00010a3a7374"
                       "617465060061637469766501010c0073687566666c653a61"
                       "6464720e0031302e323a3430313233020000000000000000"
                       "04007281398aea5257ab037800",
                .meaning = "V0 SynAck {" N1 " 2 0 0; " N2 " 2 0 2} [" N2
                           " 0 0: node:state=active@1 "
                           "shuffle:addr=10.0.0.2:40123@2 | 2]",
                .is_exact = false},
        {.name = "10.13 an exchange, Ack",
                .hex = "53b0000201650028b52ffd206ee50200e4040006006e6f64"
                       "652d3100a8da769b010000040a0000010a1f00010a3a7374"
                       "617465060061637469766501010c0073687566666c653a61"
                       "6464720e0031302e313a3430313233020000000000000000"
                       "04007281398aea5257ab037800",
                .meaning = "V0 Ack [" N1 " 0 0: node:state=active@1 "
                           "shuffle:addr=10.0.0.1:40123@2 | 2]",
                .is_exact = false},
        {.name = "14.1 BadCluster",
                .hex = "53b00103",
                .meaning = "V1 BadCluster",
                .is_exact = true},
        {.name = "14.1 Syn, empty digest",
                .hex = "53b0010000040077656674",
                .meaning = "V1 Syn weft {}",
                .is_exact = true},
        {.name = "14.1 SynAck, empty",
                .hex = "53b001010000",
                .meaning = "V1 SynAck {} []",
                .is_exact = true},
        {.name = "14.1 Ack, empty",
                .hex = "53b0010200",
                .meaning = "V1 Ack []",
                .is_exact = true},
        {.name = "14.2 Syn, one node",
                .hex = "53b00100022f0006006e6f64652d3100a8da769b01000004"
                       "0a0000010a1f2a0000000000000000000000000000000800"
                       "00000000000000040077656674",
                .meaning = "V1 Syn weft {" N1 " 42 0 8}",
                .is_exact = true},
        {.name = "14.3 Syn, three nodes raw",
                .hex = "53b0010002990006006e6f64652d3100a8da769b01000004"
                       "0a0000010a1f2a0000000000000000000000000000000800"
                       "00000000000006006e6f64652d327ba8da769b010000040a"
                       "0000020a1f09000000000000000000000000000000040000"
                       "000000000006006e6f64652d33e8abda769b010000062001"
                       "0db80000000000000000000000030a1f0700000000000000"
                       "05000000000000002c0100000000000000040077656674",
                .meaning = "V1 Syn weft {" N1 " 42 0 8; " N2 " 9 0 4; " N3
                           " 7 5 300}",
                .is_exact = true},
        {.name = "14.3 Syn, three nodes compressed",
                .hex = "53b00100015b0028b52ffd2099950200840306006e6f6465"
                       "2d3100a8da769b010000040a0000010a1f2a000800327b02"
                       "0a1f090433e8ab0620010db8030a1f0705002c0100000000"
                       "00000a002a43804c9c321a0c03e40b3a0106a5ca010c3819"
                       "8c0100040077656674",
                .meaning = "V1 Syn weft {" N1 " 42 0 8; " N2 " 9 0 4; " N3
                           " 7 5 300}",
                .is_exact = false},
        {.name = "14.4 SynAck, raw",
                .hex = "53b00101025e0006006e6f64652d3100a8da769b01000004"
                       "0a0000010a1f2b0000000000000000000000000000000800"
                       "00000000000006006e6f64652d327ba8da769b010000040a"
                       "0000020a1f09000000000000000000000000000000040000"
                       "0000000000000293000006006e6f64652d327ba8da769b01"
                       "0000040a0000020a1f000000000000000000000000000000"
                       "00010a006e6f64653a737461746506006163746976650100"
                       "00000000000000010c0073687566666c653a616464720e00"
                       "31302e302e302e323a343031323302000000000000000001"
                       "03006f6c6400000300000000000000010105006c65617365"
                       "01007804000000000000000200",
                .meaning =
                        "V1 SynAck {" N1 " 43 0 8; " N2 " 9 0 4} [" N2
                        " 0 0: node:state=active@1 "
                        "shuffle:addr=10.0.0.2:40123@2 old=@3- lease=x@4~ | 4]",
                .is_exact = true},
        {.name = "14.4 SynAck, compressed",
                .hex = "53b0010101410028b52ffd205ec50100940206006e6f6465"
                       "2d3100a8da769b010000040a0000010a1f2b000800327b02"
                       "0a1f0904000000000000000500a0136050aa1cc08093c118"
                       "00017a0028b52ffd20938d030022461722a0298d01ffff59"
                       "5075d68ed85db2d5da4c44f3ffe8e3db4d5b5fd76f618410"
                       "b2650ae9ff571ae3badcf682c96b834e5261398d812d42e3"
                       "1c58a826dbf63c0c841b80b851e21d72665f3ec7142e50e9"
                       "95f2f8882210c71aac428a9903060033095faab85c608ea2"
                       "bad4d5ea001e00",
                .meaning =
                        "V1 SynAck {" N1 " 43 0 8; " N2 " 9 0 4} [" N2
                        " 0 0: node:state=active@1 "
                        "shuffle:addr=10.0.0.2:40123@2 old=@3- lease=x@4~ | 4]",
                .is_exact = false},
        {.name = "14.5 Ack",
                .hex = "53b001020231000006006e6f64652d3100a8da769b010000"
                       "040a0000010a1f0c00000000000000080000000000000002"
                       "0c0000000000000000",
                .meaning = "V1 Ack [" N1 " 12 8: | 12]",
                .is_exact = true},
        {.name = "14.6 Syn, cut by hand",
                .hex = "53b0010002140006006e6f64652d3100a8da769b01000004"
                       "0a0000020000013b0028b52ffd204a9501008402010a1f2a"
                       "00080006006e6f64652d327ba8da769b010000040a000002"
                       "0a1f09000400000000000000031000c98135f90d00040077"
                       "656674",
                .meaning = "V1 Syn weft {" N1 " 42 0 8; " N2 " 9 0 4}",
                .is_exact = false},
        {.name = "14.8 an exchange, Syn",
                .hex = "53b00100022f0006006e6f64652d3100a8da769b01000004"
                       "0a0000010a1f020000000000000000000000000000000200"
                       "00000000000000040077656674",
                .meaning = "V1 Syn weft {" N1 " 2 0 2}",
                .is_exact = true},
        {.name = "14.8 an exchange, SynAck",
                .hex = "53b00101013d0028b52ffd205ea50100740206006e6f6465"
                       "2d3100a8da769b010000040a0000010a1f0200327b020a1f"
                       "0302000000000000000400a0136050aa2ca4803100016500"
                       "28b52ffd206ee50200e4040006006e6f64652d327ba8da76"
                       "9b010000040a0000020a1f00010a3a737461746506006163"
                       "7469766501010c0073687566666c653a616464720e003130"
                       "2e323a343031323302000000000000000004007281398aea"
                       "5257ab037800",
                .meaning = "V1 SynAck {" N1 " 2 0 0; " N2 " 3 0 2} [" N2
                           " 0 0: node:state=active@1 "
                           "shuffle:addr=10.0.0.2:40123@2 | 2]",
                .is_exact = false},
        {.name = "14.8 an exchange, Ack",
                .hex = "53b0010201650028b52ffd206ee50200e4040006006e6f64"
                       "652d3100a8da769b010000040a0000010a1f00010a3a7374"
                       "617465060061637469766501010c0073687566666c653a61"
                       "6464720e0031302e313a3430313233020000000000000000"
                       "04007281398aea5257ab037800",
                .meaning = "V1 Ack [" N1 " 0 0: node:state=active@1 "
                           "shuffle:addr=10.0.0.1:40123@2 | 2]",
                .is_exact = false},
};

/* 14.7: 17 nodes whose names are 1,000 letters a, compressed by chitchat. */
static const char gossip_example_long_names[] =
        "53b00100017d0028b52ffd60003f9d03009402e803610004"
        "7f0000011027010001110212031304140515061607170818"
        "09190a1a0b1b0c1c0d1d0e1e2120f0a5dd172be10e809f71"
        "02c07f1c03e017ee00f8192700fc8f6300fcc21d003fe304"
        "80ff3806c02fdc01f0b39c00f01fc700f8853b007eb63839"
        "4f41aa300490e75ef2951f0201340028b52ffd6021045501"
        "008861610f00047f0000011f270100e8031020080060110a"
        "3277ffa00a638945712611803c00c3640a60010004007765"
        "6674";
