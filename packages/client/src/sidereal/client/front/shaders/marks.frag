#version 330
// Signed distance to the symbol's edge gives fill, outline and smooth edges at any size.
in vec2 place;
flat in float reach;
flat in int shape;    // the order of sidereal.client.front.rows.Shape
flat in float outline;
flat in vec4 fill;
flat in vec4 line;
out vec4 fragment;

float circle(vec2 p) { return length(p) - reach; }

float dart(vec2 p) {
    p.y = abs(p.y);
    // Nose at (1, 0), wing tips at (-0.8, +-0.66), notch at (-0.42, 0).
    float side = dot(p - vec2(reach, 0.0), normalize(vec2(0.66, 1.8)));
    float notch = dot(p - vec2(-0.42 * reach, 0.0), normalize(vec2(-0.66, -0.38)));
    return max(side, notch);
}

float diamond(vec2 p) {
    p = abs(p);
    return dot(p, normalize(vec2(0.4, 1.0))) - reach * 0.3714;
}

float square(vec2 p) {
    vec2 q = abs(p) - vec2(reach * 0.8);
    return length(max(q, 0.0)) + min(max(q.x, q.y), 0.0);
}

float cross_shape(vec2 p) {
    p = abs(p);
    if (p.y > p.x) p = p.yx;
    vec2 q = p - vec2(reach * 0.95, reach * 0.32);
    return length(max(q, 0.0)) + min(max(q.x, q.y), 0.0);
}

float star(vec2 p) {
    // Five points: fold them onto one, then the side from its tip (0, 1) to the notch beside it.
    // Source: Inigo Quilez, "2D distance functions", sdStar5 with an inner radius of 0.45.
    const vec2 k1 = vec2(0.809016994375, -0.587785252292);
    const vec2 k2 = vec2(-k1.x, k1.y);
    p = vec2(abs(p.y), p.x);
    p -= 2.0 * max(dot(k1, p), 0.0) * k1;
    p -= 2.0 * max(dot(k2, p), 0.0) * k2;
    p.x = abs(p.x);
    p.y -= reach;
    vec2 side = 0.45 * vec2(-k1.y, k1.x) - vec2(0.0, 1.0);
    float along = clamp(dot(p, side) / dot(side, side), 0.0, reach);
    return length(p - side * along) * sign(p.y * side.x - p.x * side.y);
}

void main() {
    float edge;
    if (shape == 0) edge = circle(place);
    else if (shape == 1) edge = dart(place);
    else if (shape == 2) edge = diamond(place);
    else if (shape == 3) edge = square(place);
    else if (shape == 4) edge = cross_shape(place);
    else edge = star(place);
    float inside = clamp(0.5 - edge, 0.0, 1.0) * fill.a;
    float on_line = clamp(0.5 + 0.5 * outline - abs(edge), 0.0, 1.0) * line.a;
    if (outline <= 0.0) on_line = 0.0;
    float alpha = on_line + inside * (1.0 - on_line);
    if (alpha <= 0.0) discard;
    fragment = vec4((line.rgb * on_line + fill.rgb * inside * (1.0 - on_line)) / alpha, alpha);
}
