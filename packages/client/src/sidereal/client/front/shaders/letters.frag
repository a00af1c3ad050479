#version 330
// The letter over a dark rim one pixel wide, which keeps it legible on any ground.
uniform sampler2D atlas;
in vec2 texel;
flat in vec4 colour;
flat in float halo;
out vec4 fragment;

void main() {
    float ink = texture(atlas, texel).r;
    float rim = 0.0;
    if (halo > 0.0) {
        rim = max(
            max(textureOffset(atlas, texel, ivec2(1, 0)).r,
                textureOffset(atlas, texel, ivec2(-1, 0)).r),
            max(textureOffset(atlas, texel, ivec2(0, 1)).r,
                textureOffset(atlas, texel, ivec2(0, -1)).r)) * halo;
    }
    float alpha = ink + rim * (1.0 - ink);
    if (alpha <= 0.0) discard;
    fragment = vec4(colour.rgb * ink / alpha, colour.a * alpha);
}
