#!/usr/bin/env bash
# panicmon-scale from the outside: TOOL and the folder of sample metadata.
set -uo pipefail
tool=$1 samples=$2
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
failed=0
checks=0

# expect STATUS OUTPUT ARGUMENTS...: the output is standard output, or for status 1 a part of the
# one line on standard error.
expect() {
    local status=$1 output=$2 got
    shift 2
    checks=$((checks + 1))
    "$tool" "$@" >"$work/out" 2>"$work/err" <"${input:-/dev/null}"
    got=$?
    if [ "$got" != "$status" ]; then
        echo "exit $got, not $status: $*"
        failed=$((failed + 1))
    elif [ "$status" = 0 ] && [ "$(cat "$work/out")" != "$output" ]; then
        printf 'of %s\n  got      %s\n  expected %s\n' "$*" "$(cat "$work/out")" "$output"
        failed=$((failed + 1))
    elif [ "$status" = 1 ] && { [ "$(wc -l <"$work/err")" != 1 ] || [ -s "$work/out" ] ||
        ! grep -qF -- "$output" "$work/err"; }; then
        printf 'of %s\n  said     %s\n  expected %s\n' "$*" "$(cat "$work/err")" "$output"
        failed=$((failed + 1))
    fi
}

v14=$samples/sample-v14
id=000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f
bytes=0x$id
address=CaKpMFfFVXQrRRNDtMxiiPeiYBCYikNzrBmpuZUvmdQKrUR

for version in 14 15 16; do
    file=$samples/sample-v$version
    expect 0 '{"NamedOne":{"a":"5","is_b":true}}' decode --metadata "$file" --storage Staking.Mode 0x070501
    expect 0 '"2"' decode --metadata "$file" --constant System.SS58Prefix
    checks=$((checks + 1))
    "$tool" list --metadata "$file" | head -n 1 | grep "^metadata V$version" >/dev/null || failed=$((failed + 1))
    "$tool" list --json --metadata "$file" | grep "^{\"version\":$version," >/dev/null || failed=$((failed + 1))
done

# Forms, and what --storage gives where nothing is stored.
expect 0 '{"namedOne":{"a":5,"isB":true}}' decode --metadata "$v14" --form polkadot-js --storage Staking.Mode 070501
expect 0 'null' decode --metadata "$v14" --storage Staking.Mode
expect 0 '"0"' decode --metadata "$v14" --storage System.Number
expect 0 '"0x00000000000000000000000000000000ffffffffffffffffffffffffffffffff"' \
    decode --metadata "$v14" --form polkadot-js --type 5 0xffffffffffffffffffffffffffffffff00000000000000000000000000000000
expect 0 '"340282366920938463463374607431768211455"' \
    decode --metadata "$v14" --form=polkadot-js --big=decimal --type 4 0xffffffffffffffffffffffffffffffff
expect 0 '[{"phase":{"Initialization":null},"event":{"System":{"CodeUpdated":null}},"topics":[]}]' \
    decode --metadata "$v14" --storage System.Events 0x0402000200

# Keys: the pallet's prefix and not its name, prefixes of keys, all spellings of an argument.
full=$("$tool" key --metadata "$v14" System.Account "$address")
for spelling in "$bytes" "\"$bytes\"" "\"$address\""; do
    expect 0 "$full" key --metadata "$v14" System.Account "$spelling"
done
expect 0 "${full:0:66}" key --metadata "$v14" System.Account
expect 0 '0x26aa394eea5630e07c48ae0c9558cef702a5c1b19ab7a04f536c519aca4983ac' key --metadata "$v14" System.Number
checks=$((checks + 1))
mode=$("$tool" key --metadata "$v14" Staking.Mode)
[ "${mode:0:34}" = 0xf2df228d8022835e991ac0b40a738dfd ] || failed=$((failed + 1))

# Hex text, wrappings, standard input.
od -An -v -tx1 "$v14" | tr -d ' \n' >"$work/hex"
{ printf '0x'; cat "$work/hex"; echo; } >"$work/hex0x"
printf '{"jsonrpc":"2.0","error":null,"x":{"result":"no","y":"}\\"{"},\n"result" : "0x%s" ,"id":1}\n' \
    "$(cat "$work/hex")" >"$work/answer"
printf '"0x%s"\n' "$(cat "$work/hex")" >"$work/quoted"
for file in "$work/answer" "$work/quoted" "$work/hex" "$work/hex0x" "$samples/wrapped" "$samples/length"; do
    expect 0 '"2"' decode --metadata "$file" --constant System.SS58Prefix
done
input=$v14 expect 0 '"2"' decode --metadata - --constant System.SS58Prefix
printf '0x070501\n' >"$work/value"
input=$work/value expect 0 '{"NamedOne":{"a":"5","is_b":true}}' decode --metadata "$v14" --storage Staking.Mode -

# Failures: one line, with the byte and the place.
expect 1 'at byte 2 of Staking.Mode.NamedOne.is_b: a bool is neither 0 nor 1' decode --metadata "$v14" --storage Staking.Mode 0x070502
expect 1 'at byte 3 of Staking.Mode: bytes are left after the value' decode --metadata "$v14" --storage Staking.Mode 0x07050100
expect 1 'at byte 6 of System.Events[0].event: the enum has no such variant' decode --metadata "$v14" --storage System.Events 0x04000100000063
expect 1 'at byte 0 of System.Broken' decode --metadata "$v14" --constant System.Broken
expect 1 'no storage item System.Nothing' decode --metadata "$v14" --storage System.Nothing 0x00
expect 1 'no constant' decode --metadata "$v14" --constant System.Nothing
expect 1 'no type 9999' decode --metadata "$v14" --type 9999 0x00
expect 1 'takes no HEX' decode --metadata "$v14" --constant System.SS58Prefix 0x00
expect 1 'HEX' decode --metadata "$v14" --storage Staking.Mode 0x0
expect 1 'takes 1 arguments, not 2' key --metadata "$v14" System.Account "$address" 5
expect 1 'neither 0x bytes nor an address' key --metadata "$v14" System.Account "${address}x"
expect 1 'does not fit' key --metadata "$v14" Staking.ErasStakers 4294967296
# Keys of maps that are maps, forty deep: each would escape what is in it once more.
deep=$(printf '04%.0s' {1..40})07$(printf '08%.0s' {1..40})
expect 1 'too long as JSON' decode --metadata "$samples/maps-in-keys" --form polkadot-js --type 120 "$deep"
expect 1 'version 9' list --metadata "$samples/v9"
expect 1 'bytes are left' list --metadata "$samples/trailing"
echo '{"jsonrpc":"2.0","error":{"code":-32601},"id":1}' >"$work/error"
expect 1 'JSON without a result' list --metadata "$work/error"
echo '{"result": null}' >"$work/null"
expect 1 'is no text' list --metadata "$work/null"
echo '{"result": "0x6d65' >"$work/early"
expect 1 'ends early' list --metadata "$work/early"
echo '{"result":' >"$work/nothing"
expect 1 'is no text' list --metadata "$work/nothing"
expect 1 'No such file' list --metadata "$work/missing"
gzip -c "$v14" >"$work/v14.gz"
expect 1 'is compressed; gunzip it first' list --metadata "$work/v14.gz"
expect 1 'no command' --metadata "$v14"
expect 1 'is missing' list
expect 1 'is no command' bogus --metadata "$v14"

# A batch goes on after a failure.
printf '%s\n' 'decode --storage Staking.Mode 0x00' 'key System.Account 5' 'bogus' \
    'decode --constant System.SS58Prefix' 'decode --type 2 0x01000000' \
    "key Staking.ErasStakers 1 $bytes" 'encode --type 22 {"NamedOne":{"a":1,"is_b":false}}' >"$work/batch"
era=$("$tool" key --metadata "$v14" Staking.ErasStakers 1 "$address")
input=$work/batch expect 0 "{\"Passive\":null}
{\"error\": \"System.Account argument 1: neither 0x bytes nor an address\"}
{\"error\": \"'bogus' is no command; decode, encode and key are\"}
\"2\"
\"1\"
\"$era\"
\"0x070100\"" batch --metadata "$v14"

checks=$((checks + 1))
"$tool" --help | grep -- '--metadata FILE' >/dev/null || failed=$((failed + 1))
echo "$checks checks, $failed failed"
[ "$failed" = 0 ]
