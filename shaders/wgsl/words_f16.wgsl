// Part of embed_layernorm: the word vectors in f16, in four parts, for a large vocabulary exceeds one binding.

override PART_ROWS: u32;  // words of a part

@group(0) @binding(1) var<storage, read> words_0: array<vec2<u32>>;  // [PART_ROWS, H], as are the others
@group(0) @binding(2) var<storage, read> words_1: array<vec2<u32>>;
@group(0) @binding(3) var<storage, read> words_2: array<vec2<u32>>;
@group(0) @binding(4) var<storage, read> words_3: array<vec2<u32>>;

fn halves(part: u32, i: u32) -> vec2<u32> {
    switch part {
        case 0u: { return words_0[i]; }
        case 1u: { return words_1[i]; }
        case 2u: { return words_2[i]; }
        default: { return words_3[i]; }
    }
}

// Four numbers of a part.
fn word_vector(part: u32, i: u32) -> vec4<f32> {
    let v = halves(part, i);
    return vec4<f32>(unpack2x16float(v.x), unpack2x16float(v.y));
}
